"""The stubs' command line: ready line, signals, standard input, refusals. Real processes."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

COMMAND = [sys.executable, "-m", "firmware_stubs"]


def start(*arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    process = subprocess.Popen([*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def end(process: subprocess.Popen[bytes]) -> None:
    """Close standard input and wait for a clean exit."""
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, b"")


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=60, check=False)


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_cleanly_while_a_client_waits(number: signal.Signals) -> None:
    server, ready = start("scanner")
    with (
        socket.create_connection(address(ready["control"]), timeout=10) as waiting,
        socket.create_connection(address(ready["url"]), timeout=10) as importer,
    ):
        importer.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, b"1-1"))
        waiting.sendall(b"GET /state?until=capture&timeout_s=600 HTTP/1.1\r\nHost: stub\r\n\r\n")
        assert importer.recv(320, socket.MSG_WAITALL)[4:8] == bytes(4)
        server.send_signal(number)
        rest, _ = server.communicate(timeout=30)
    assert (server.returncode, rest) == (0, b"")


def test_ready_line_names_what_was_asked_for() -> None:
    server, ready = start("scanner", "--until-stdin-closes", "--model", "msv2", "--serial", "{S}", "--bus-id", "7-2")
    assert ready["ready"] is True
    assert ready["kind"] == "scanner"
    assert ready["url"].startswith("usbip://127.0.0.1:")
    assert ready["url"].endswith("/7-2")
    with urllib.request.urlopen(ready["control"] + "/state", timeout=10) as answer:  # noqa: S310 - loopback
        state = json.load(answer)
    assert (state["model"], state["serial"]) == ("msv2", "{S}")
    end(server)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("4500", "stall"),
        ("fs81", "stale_bytes"),
        ("zk4500", "refused"),
        ("fdu2000", "bad_answer"),
        ("nb1010", "lost_rows"),
        ("tenprint", "torn_frame"),
    ],
)
def test_fault_of_the_command_line_is_armed_from_the_start(model: str, fault: str) -> None:
    kind = ["tenprint"] if model == "tenprint" else ["scanner", "--model", model]
    server, ready = start(*kind, "--until-stdin-closes", "--fault", f"{fault}:3:2")
    with urllib.request.urlopen(ready["control"] + "/state", timeout=10) as answer:  # noqa: S310 - loopback
        state = json.load(answer)
    assert (state["model"], state["faults"]) == (model, {fault: 3})
    end(server)


@pytest.mark.parametrize("kind", ["scanner", "camera"])
def test_server_ends_with_the_standard_input_of_who_started_it(kind: str) -> None:
    server, ready = start(kind, "--until-stdin-closes")
    assert ready.keys() == {"ready", "kind", "url", "control"}
    assert ready["kind"] == kind
    end(server)


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--image-ms", "0"],
        ["--image-ms", "nan"],
        ["--model", "5000"],
        ["--serial", ""],
        ["--fault", "fire"],
        ["--fault", "stall:0"],
        ["--fault", "stall:x"],
        ["--fault", "stall:1:0:3"],
        ["--bus-id", "a/b"],
        ["--bus-id", "x" * 32],
    ],
)
def test_command_line_that_cannot_be_meant_is_refused(options: list[str]) -> None:
    found = run("scanner", *options)
    assert (found.returncode, found.stdout) == (2, b"")
    assert options[0].encode() in found.stderr


def test_port_that_is_taken_ends_with_a_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = run("scanner", "--port", str(taken.getsockname()[1]))
    assert (found.returncode, found.stdout) == (1, b"")
    assert found.stderr.startswith(b"firmware_stubs: ")
    assert found.stderr.count(b"\n") == 1


def test_finger_is_written_as_an_image_of_500_ppi(tmp_path: Path) -> None:
    written = []
    for name in ("first.png", "again.png"):
        assert run("finger", "--seed", "5", "--impression", "2", "--out", str(tmp_path / name)).returncode == 0
        with Image.open(tmp_path / name) as image:
            assert image.mode == "L"
            assert [round(float(side)) for side in image.info["dpi"]] == [500, 500]
            written.append(image.tobytes())
    assert written[0] == written[1]


def test_finger_that_cannot_be_written_ends_with_a_message(tmp_path: Path) -> None:
    found = run("finger", "--seed", "5", "--out", str(tmp_path / "none" / "a.png"))
    assert (found.returncode, found.stderr.count(b"\n")) == (1, 1)
    assert run("finger", "--seed", "5", "--out", str(tmp_path / "a.xyz")).returncode == 2


def test_scene_that_is_no_image_ends_with_a_message(tmp_path: Path) -> None:
    scene = tmp_path / "scene.png"
    scene.write_bytes(b"no image")
    found = run("camera", "--scene", str(scene))
    assert (found.returncode, found.stdout, found.stderr.count(b"\n")) == (1, b"", 1)
