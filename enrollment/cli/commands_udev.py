"""enrollctl setup-udev: rights of the USB devices, and no sleep for them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import click

from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.output import Output
from enrollment.cli.session import Session
from enrollment.cli.station_side import StationSideFailed, ask
from enrollment.core.errors import EnrollmentError

RULES_FOLDER: Final = Path("/etc/udev/rules.d")
RELOAD: Final = (("control", "--reload"), ("trigger", "--action=add", "--subsystem-match=usb"))
UDEVADM_TIMEOUT_S: Final = 10.0


class UdevSetupRefused(EnrollmentError):
    """The rules cannot be installed; remedy_* say what to do."""

    reason = "UDEV_SETUP_REFUSED"

    def __init__(self, text: tuple[str, str], remedy: tuple[str, str], **facts: str) -> None:
        super().__init__(text[0], **facts)
        self.text = text
        self.remedy = remedy


class UdevFolderNotWritable(UdevSetupRefused):
    """Not root, or no such folder."""

    reason = "UDEV_FOLDER_NOT_WRITABLE"


class UdevGroupUnknown(UdevSetupRefused):
    """udev would ignore the rules' group."""

    reason = "UDEV_GROUP_UNKNOWN"


@click.command("setup-udev")
@click.option("--print", "only_print", is_flag=True, help="Print the rules; change nothing.")
@click.option("--group", default="enrollment", show_default=True, help="Who may open the devices: the daemon's group.")
@click.option(
    "--rules-folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=RULES_FOLDER,
    show_default=True,
    help="Where to write: another one for a machine that is being prepared.",
)
@click.pass_context
def setup_udev(ctx: click.Context, only_print: bool, group: str, rules_folder: Path) -> None:
    """Let the daemon's group, and nobody else, open the station's USB devices, and keep them awake. Needs root."""
    session = ctx.find_object(Session)
    if session is None:
        raise click.UsageError("call it as a command of enrollctl")
    out = session.out
    try:
        made = ask(["udev-rules", "--group", group])
    except StationSideFailed as failed:
        raise click.ClickException(str(failed)) from failed
    if only_print:
        if out.as_json:
            out.value(made)
        else:
            click.echo(made["text"], nl=False)
        return
    try:
        path = install(made, group, rules_folder)
    except UdevSetupRefused as refused:
        out.say(
            f"{refused.text[0]} [{refused.reason}]\n{refused.remedy[0]}",
            f"{refused.text[1]} [{refused.reason}]\n{refused.remedy[1]}",
            style="red",
        )
        out.value({"error": {"reason": refused.reason, "facts": refused.facts}})
        ctx.exit(EXIT_REFUSED)
    reloaded = rules_folder == RULES_FOLDER and reload_rules()
    out.value({"installed": str(path), "reloaded": reloaded})
    out.say(f"written: {path}", f"đã ghi: {path}")
    _say_reloaded(out, reloaded)


def install(made: dict[str, Any], group: str, folder: Path) -> Path:
    """Write the rules, whole or not at all. Raises UdevGroupUnknown, UdevFolderNotWritable."""
    if folder == RULES_FOLDER:  # a machine that is being prepared has groups of its own
        _require_group(group)
    path: Path = folder / str(made["file"])
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(made["text"])
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        why = error.strerror or type(error).__name__
        raise UdevFolderNotWritable(
            (f"{path} cannot be written: {why}", f"không ghi được {path}: {why}"),
            (
                "Run it as root: sudo enrollctl setup-udev; or save the output of --print there.",
                "Chạy với quyền root: sudo enrollctl setup-udev; hoặc lưu kết quả của --print vào đó.",
            ),
            file=str(path),
        ) from error
    return path


def reload_rules() -> bool:
    """Have udev read the rules and apply them to what is plugged in; False where that did not go."""
    udevadm = shutil.which("udevadm")
    if udevadm is None:
        return False
    try:
        for arguments in RELOAD:
            subprocess.run([udevadm, *arguments], check=True, capture_output=True, timeout=UDEVADM_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _require_group(group: str) -> None:
    import grp  # not on every system; neither is udev

    try:
        grp.getgrnam(group)
    except KeyError:
        commands = f"groupadd --system {group}; usermod -aG {group} USER"
        raise UdevGroupUnknown(
            (f"there is no group {group}", f"không có nhóm {group}"),
            (
                f"Make it, and add the daemon's user: {commands}; or name another with --group.",
                f"Tạo nhóm và thêm tài khoản của dịch vụ: {commands}; hoặc nêu nhóm khác bằng --group.",
            ),
            group=group,
        ) from None


def _say_reloaded(out: Output, reloaded: bool) -> None:
    if reloaded:
        out.say("udev has applied them", "udev đã áp dụng")
    else:
        out.say(
            "unplug the devices and plug them in again, or restart, for the rules to apply",
            "rút và cắm lại thiết bị, hoặc khởi động lại, để quy tắc có hiệu lực",
            style="yellow",
        )
