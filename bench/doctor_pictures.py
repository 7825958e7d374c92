"""Pictures of `enrollctl doctor` as a technician sees it, on a healthy station and on three that are not.

    sudo .venv/bin/python -m bench.doctor_pictures      writes docs/doctor/NAME.LANGUAGE.svg

Real daemons, device models, registry and command, the command in a terminal of COLUMNS columns. What it says of the
machine is made in a mount namespace of its own, hence root and Linux: there, stations live in /srv, and /run is empty
but for what a machine has in it that was set up well: the rules of `enrollctl setup-udev`, the running pcscd, the mark
that systemd-timesyncd leaves. The machine itself is not changed.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from enrollment.cli.demo.processes import Running, await_ready, launch, run_to_end
from enrollment.cli.demo.station import DAEMON, REGISTRY, STUBS
from enrollment.cli.demo.subject import Control

COLUMNS: Final = 110
PLACE: Final = Path("/srv")
STATION_ID: Final = "HN-0042-1"
GROUP: Final = "enrollment"
LANGUAGES: Final = ("vi", "en")
INSIDE: Final = "DOCTOR_PICTURES_INSIDE"
NOTICED_S: Final = 20.0
LINE_CLIP: Final = re.compile(r' clip-path="url\(#[^"]*-line-\d+\)"')  # it cuts the marks off Vietnamese capitals
# Rich's own, without the fonts that a reader's browser would have to fetch.
PICTURE: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Consolas, Menlo, "Noto Sans Mono", "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(slots=True)
class Site:
    """A registry, and a station in /srv."""

    registry: Running
    folder: Path
    scanner: Running
    camera: Running
    daemon: Running
    environment: Mapping[str, str]


def program(name: str) -> str:
    """Its path. Raises ClickException where it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise click.ClickException(f"this needs {name}, which is not installed")
    return path


def mount(*arguments: str) -> None:
    subprocess.run([program("mount"), *arguments], check=True)


def terminal(command: list[str], environment: Mapping[str, str]) -> tuple[str, int]:
    """Run a command in a terminal of COLUMNS columns; what it wrote there, and its exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, COLUMNS, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**plain, "TERM": "xterm-256color", **environment}
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        written += piece
    os.close(ours)
    return written.decode("utf-8", "replace").replace("\r\n", "\n"), process.wait()


def picture(name: str, language: str, environment: Mapping[str, str], out: Path) -> None:
    """Let the doctor look, and draw what the terminal shows."""
    command = [sys.executable, "-m", "enrollment.cli.main", "--lang", language, "doctor"]
    written, status = terminal(command, environment)
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text("$ enrollctl doctor; echo $?", style="bold"))
    console.print(Text.from_ansi(written.rstrip("\n")))
    console.print(Text(str(status)))
    svg = console.export_svg(
        title="", theme=SVG_EXPORT_THEME, code_format=PICTURE, unique_id=f"{name}-{language}", font_aspect_ratio=0.602
    )
    (out / f"{name}.{language}.svg").write_text(LINE_CLIP.sub("", svg), "utf-8")
    click.echo(f"{out / name}.{language}.svg: exit status {status}")


@contextmanager
def new_station(folder: Path) -> Iterator[Mapping[str, str]]:
    """A station whose daemon was installed an hour ago and that nobody has set up."""
    addresses = ["--device", "usb:", "--registry-address", "127.0.0.1:50443"]
    made = json.loads(
        run_to_end(DAEMON, ["init", "--folder", str(folder), "--station", STATION_ID, *addresses, "--json"])
    )
    daemon = await_ready(launch("enrolld", DAEMON, ["run", "--config", str(made["config"])], folder / "log"))
    try:
        yield as_technician(folder, Path(str(made["config"])), daemon)
    finally:
        daemon.stop()


def as_technician(folder: Path, config: Path, daemon: Running) -> Mapping[str, str]:
    """The environment of a technician's shell."""
    who = ["--config", str(config), "--operator", "technician", "--role", "technician", "--json"]
    token = folder / "token"
    token.write_text(str(json.loads(run_to_end(DAEMON, ["issue-session", *who]))["token"]))
    return {"ENROLL_SOCKET": str(daemon.ready["socket"]), "ENROLL_TOKEN_FILE": str(token)}


def set_up_machine(stack: ExitStack) -> None:
    """What the technician's handbook asks for."""
    groups = Path("/run/group")
    groups.write_text(Path("/etc/group").read_text() + f"{GROUP}:x:64000:\n")
    mount("--bind", str(groups), "/etc/group")
    rules = Path("/run/udev/rules.d")
    rules.mkdir(parents=True)
    run_to_end("enrollment.cli.main", ["setup-udev", "--group", GROUP, "--rules-folder", str(rules)])
    mark = Path("/run/systemd/timesync/synchronized")
    mark.parent.mkdir(parents=True)
    mark.touch()
    cards = subprocess.Popen([program("pcscd"), "--foreground"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(cards.wait)
    stack.callback(cards.terminate)
    wait_for(lambda: Path("/run/pcscd/pcscd.comm").exists())


def set_up_station(folder: Path, stack: ExitStack) -> Site:
    """A station with a scanner and a camera, its keys under a passphrase, certified by a registry that answers."""
    logs = folder.parent / "logs"
    logs.mkdir()

    def start(name: str, module: str, arguments: list[str]) -> Running:
        running = launch(name, module, arguments, logs / name)
        stack.callback(running.stop)
        return await_ready(running)

    data = folder.parent / "registry"
    run_to_end(REGISTRY, ["init", "--data", str(data)])
    registry = start("registry", REGISTRY, ["serve", "--data", str(data), "--port", "0"])
    scanner = start("scanner", STUBS, ["scanner", "--until-stdin-closes"])
    camera = start("camera", STUBS, ["camera", "--until-stdin-closes"])
    folder.mkdir(mode=0o700)
    passphrase = folder / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text("a passphrase of the station")
    devices = [option for model in (scanner, camera) for option in ("--device", str(model.ready["url"]))]
    options = ["--folder", str(folder), "--station", STATION_ID, *devices, "--passphrase-file", str(passphrase)]
    address = str(registry.ready["address"])
    made = json.loads(run_to_end(DAEMON, ["init", *options, "--registry-address", address, "--json"]))
    files = ["--csr", made["client_csr"], "--verifying-key", made["verifying_key"], "--out", made["client_certificate"]]
    run_to_end(REGISTRY, ["enroll-station", "--data", str(data), "--station", STATION_ID, *files])
    shutil.copy(data / "registry-trust.pem", made["registry_trust"])
    shutil.copy(data / "tls" / "ca.pem", made["registry_ca"])
    config = Path(made["config"])
    daemon = start("enrolld", DAEMON, ["run", "--config", str(config)])
    return Site(registry, folder, scanner, camera, daemon, as_technician(folder, config, daemon))


def findings(environment: Mapping[str, str]) -> dict[str, str]:
    """Check -> worst severity, as a script would ask."""
    command = [sys.executable, "-m", "enrollment.cli.main", "--json", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    return {one["check"]: one["severity"] for one in reversed(json.loads(done.stdout)["findings"])}


def wait_for(condition: Callable[[], bool]) -> None:
    """Look again and again. Raises ClickException where it does not come about."""
    ends_s = time.monotonic() + NOTICED_S
    while not condition():
        if time.monotonic() > ends_s:
            raise click.ClickException("it did not come about")
        time.sleep(0.2)


def draw(out: Path) -> None:
    """Make each station in turn."""

    def pictures(name: str, environment: Mapping[str, str]) -> None:
        for language in LANGUAGES:
            picture(name, language, environment, out)

    with new_station(PLACE / "new") as environment:
        pictures("new", environment)
    with ExitStack() as stack:
        set_up_machine(stack)
        site = set_up_station(PLACE / "station", stack)
        wait_for(lambda: {findings(site.environment)[device] for device in ("scanner", "camera")} == {"ok"})
        pictures("healthy", site.environment)
        Control(str(site.scanner.ready["control"])).send("POST", "/unplug")
        site.camera.stop()
        wait_for(lambda: {findings(site.environment)[check] for check in ("scanner", "camera-address")} == {"error"})
        pictures("unplugged", site.environment)
        site.daemon.kill()
        (site.folder / "passphrase").write_text("another one")
        site.folder.chmod(0o755)
        pictures("dead", site.environment)


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/doctor"))
def main(out: Path) -> None:
    """Draw docs/doctor/*.svg."""
    if os.environ.get(INSIDE) != "1":
        if os.geteuid() != 0:
            raise click.ClickException("this needs root: it makes a machine of its own to look at")
        here = [sys.executable, "-m", "bench.doctor_pictures", "--out", str(out)]
        inside = [program("unshare"), "--mount", "--propagation", "private", *here]
        raise SystemExit(subprocess.run(inside, env={**os.environ, INSIDE: "1"}, check=False).returncode)
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    for folder in ("/run", str(PLACE)):
        mount("-t", "tmpfs", "none", folder)
    draw(out)


if __name__ == "__main__":
    main()
