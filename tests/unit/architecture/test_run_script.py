"""The entry script ./run: what it answers without an environment, what it asks for, how its environment heals.

Nothing here needs a network. The environments are real (venv, pip), of a checkout cut down to the script, empty locks
and a project of one module with its own build backend.
"""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BARE_TOOLS = ("sh", "cat", "dirname", "env", "flock", "grep", "rm", "sed", "sha256sum", "tail")

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "station"
version = "1"
"""

# Builds the one wheel that `pip install -e` asks for. HOLD names a FIFO: whoever opens its other end knows that pip is
# in the middle of its work, and keeps it there.
BACKEND = """
import os
import time
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    if "HOLD" in os.environ:
        with open(os.environ["HOLD"], "w") as fifo:
            fifo.write("here")
            fifo.flush()
            time.sleep(3600)
    name = "station-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("station.py", "def main():\\n    print('here')\\n")
        wheel.writestr("station-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: station\\nVersion: 1\\n")
        wheel.writestr("station-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("station-1.dist-info/entry_points.txt", "[console_scripts]\\nstation = station:main\\n")
        wheel.writestr("station-1.dist-info/RECORD", "")
    return name
"""

has_venv = subprocess.run(["python3", "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0
needs_venv = pytest.mark.skipif(not has_venv, reason="this python3 has no ensurepip (Debian: python3-venv)")


def run(
    script: Path | str, *arguments: str, cwd: Path = ROOT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def make_checkout(parent: Path) -> Path:
    """A checkout in a folder with blanks, of the script and next to nothing to install or to compile."""
    folder = parent / "a folder" / "station 1"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "run", folder)
    for lock in ("runtime", "dslr", "dev", "card", "bench"):
        (folder / "requirements" / f"{lock}.lock").write_text("# nothing\n")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    compiled = folder / "enrollment/core/fingerprint/compiled"
    compiled.mkdir(parents=True)
    (compiled / "__main__.py").write_text("")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose environment stands."""
    folder = make_checkout(tmp_path_factory.mktemp("ready"))
    done = run(folder / "run", "setup", cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n")
    path.chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH of a machine without python3-venv and umockdev, whose user is not root.

    These stand-ins are patches, and have a reason: the machine that runs the tests has the packages (./run test put
    them there), may be root's, and nothing is to be removed from it or installed on it.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BARE_TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    tool(folder, "python3", f'case "$*" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"')
    tool(folder, "id", "echo 1000")
    return folder


def test_help_and_no_command_print_the_commands() -> None:
    for arguments in (["help"], ["--help"], []):
        done = run(ROOT / "run", *arguments)
        assert done.returncode == 0
        assert all(f"./run {command}" in done.stdout for command in ("demo", "test", "check", "bench", "setup"))


@pytest.mark.parametrize("arguments", [["enrol"], ["setup", "everything"], ["--version"]])
def test_unknown_command_prints_the_commands_and_exits_2(checkout: Path, arguments: list[str]) -> None:
    done = run(checkout / "run", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "./run demo" in done.stderr


def test_bench_lists_exactly_the_modules_with_a_main_and_takes_no_other() -> None:
    def has_main(module: Path) -> bool:
        return any(
            isinstance(node, ast.FunctionDef) and node.name == "main" for node in ast.parse(module.read_text()).body
        )

    modules = sorted((ROOT / "bench").glob("*.py"))
    with_main = [module.stem for module in modules if has_main(module)]
    assert run(ROOT / "run", "bench").stdout.split() == with_main
    for name in ("no_such_benchmark", next(module.stem for module in modules if not has_main(module))):
        refused = run(ROOT / "run", "bench", name)
        assert refused.returncode == 2
        assert name in refused.stderr


def test_script_finds_its_folder_from_anywhere(checkout: Path, tmp_path: Path) -> None:
    (checkout / "bench").mkdir()
    (checkout / "bench" / "speed.py").write_text("def main() -> None: ...\n")
    elsewhere = {**os.environ, "CDPATH": str(tmp_path)}  # a shell's short cut: cd would go, and print, by it
    done = run("station 1/run", "bench", cwd=checkout.parent, env=elsewhere)
    assert (done.returncode, done.stdout) == (0, "speed\n")


@pytest.mark.parametrize(
    ("sudo", "command"),
    [
        (None, "su -c 'apt-get update && apt-get install -y python3-venv'"),
        ("exit 1  # it would ask for a password", "sudo sh -c 'apt-get update && apt-get install -y python3-venv'"),
    ],
)
def test_missing_package_is_named_with_the_command_to_type(
    checkout: Path, bare: Path, sudo: str | None, command: str
) -> None:
    if sudo:
        tool(bare, "sudo", sudo)
    done = run(checkout / "run", "setup", env={"PATH": str(bare)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].strip() == command
    assert not (checkout / ".venv").exists()


def test_missing_umockdev_is_named_and_stops_nothing(checkout: Path, bare: Path) -> None:
    done = run(checkout / "run", "setup", "dev", env={"PATH": str(bare)})
    assert "apt-get install -y umockdev" in done.stderr
    assert "python3-venv" in done.stderr.splitlines()[-1], "it went on to what is required"


def test_root_is_told_what_apt_said_where_apt_fails(checkout: Path, bare: Path, tmp_path: Path) -> None:
    tool(bare, "id", "echo 0")
    tool(bare, "apt-get", f'echo "$*" >> {tmp_path}/asked\necho "E: no such mirror" >&2\nexit 100')
    done = run(checkout / "run", "setup", env={"PATH": str(bare)})
    assert done.returncode == 1
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[-1] for line in asked] == ["update", "python3-venv"]
    assert "E: no such mirror" in done.stderr
    assert done.stderr.splitlines()[-1].strip() == "apt-get update && apt-get install -y python3-venv"


def test_python_too_old_is_refused_in_words(checkout: Path, bare: Path) -> None:
    tool(bare, "python3", 'case "$1" in -V) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    done = run(checkout / "run", "setup", env={"PATH": str(bare)})
    assert done.returncode == 1
    assert done.stderr == "python3 is Python 3.9.2, and this needs 3.11 or newer\n"


@needs_venv
def test_setup_the_second_time_does_nothing_and_says_nothing(ready: Path) -> None:
    made = sorted((path, path.stat().st_mtime_ns) for path in (ready / ".venv").iterdir())
    again = run(ready / "run", "setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert sorted((path, path.stat().st_mtime_ns) for path in (ready / ".venv").iterdir()) == made


@needs_venv
def test_folder_that_moved_gets_an_environment_of_its_own(ready: Path) -> None:
    moved = shutil.copytree(ready, ready.with_name("station 2"), symlinks=True)
    done = run(moved / "run", "setup")
    assert done.returncode == 0, done.stderr
    script = moved / ".venv" / "bin" / "station"
    assert str(ready) not in script.read_text()
    assert run(script).stdout == "here\n"


@needs_venv
def test_setup_waits_for_another_and_heals_what_a_kill_left(ready: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "hold"
    os.mkfifo(fifo)
    with (ready / "pyproject.toml").open("a") as project:
        project.write("# changed: there is something to set up\n")
    with subprocess.Popen(
        [ready / "run", "setup"],
        env={**os.environ, "HOLD": str(fifo)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        try:
            with fifo.open() as held:
                assert held.read(4) == "here"
            half = next((ready / ".venv" / "lib").glob("python3.*")) / "site-packages" / "half.py"
            half.write_text("# a package that the kill cut short\n")
            second = subprocess.Popen([ready / "run", "setup"], stderr=subprocess.PIPE, text=True)
            assert second.stderr is not None
            assert second.stderr.readline() == "another ./run is setting up: waiting for it\n"
        finally:
            os.killpg(first.pid, signal.SIGKILL)
    _, words = second.communicate(timeout=300)
    assert first.returncode == -signal.SIGKILL
    assert second.returncode == 0, words
    assert not half.exists(), "the environment was kept as the kill left it"
    assert run(ready / ".venv" / "bin" / "station").stdout == "here\n"
