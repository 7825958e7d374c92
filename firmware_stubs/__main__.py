"""Devices without hardware, each as a process of its own.

    python -m firmware_stubs scanner [--model 4500|msv2|fs81|zk4500|fdu2000|nb1010] [--serial S] [--port N]
                                     [--control-port N] [--image-ms 128] [--noise N] [--fault KIND[:TIMES[:AFTER]]]...
    python -m firmware_stubs tenprint [--serial S] [--port N] [--control-port N] [--rate 15] [--wire-mb-s 40]
                                      [--fault KIND[:TIMES[:AFTER]]]...
    python -m firmware_stubs camera  [--port N] [--control-port N] [--fps 30] [--scene FILE | --portrait SEED]
                                     [--numbered]
    python -m firmware_stubs dslr    [--port N] [--control-port N] [--portrait SEED] [--serial TEXT] [--no-live-view]
    python -m firmware_stubs card    [--port 35963 | --gate PATH] [--control-port N] [--slots 1] [--state FILE]
                                     [--profile vn-cccd] [--extended announced|unannounced|refused]
    python -m firmware_stubs pcscd   --folder DIR [--readers 1]
    python -m firmware_stubs finger  --seed N --impression K --out FILE

A server prints one line of JSON when it listens: {"ready": true, "kind", "url", "control"}; pcscd, the real one with
a network of its own, {"ready": true, "kind", "gate": for `card --gate`, "environment": for its clients}. It ends on
SIGTERM or SIGINT, and with --until-stdin-closes also when its standard input does, so that it never outlives who
started it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from firmware_stubs.card.pcscd import MAX_SLOTS, SLOTS_A_READER
from firmware_stubs.card.profile import PROFILES, VN_CCCD
from firmware_stubs.fdu2000.firmware import Fdu2000Firmware
from firmware_stubs.frame_scanner.firmware import FrameScannerFirmware
from firmware_stubs.fs81.firmware import Fs81Firmware
from firmware_stubs.scanner.hand import FaultOrder, Refused, parse_fault
from firmware_stubs.stopping import when_asked_to_stop
from firmware_stubs.uru4000.models import MODELS
from firmware_stubs.zk4500.firmware import Zk4500Firmware

if TYPE_CHECKING:
    from firmware_stubs.frame_scanner.stub import FrameScannerStub
    from firmware_stubs.nb1010.stub import Nb1010Stub
    from firmware_stubs.tenprint.stub import TenPrintStub
    from firmware_stubs.uru4000.stub import ScannerStub

NB1010: Final = "nb1010"
FRAME_SCANNERS: Final[dict[str, type[FrameScannerFirmware]]] = {
    firmware.NAME: firmware for firmware in (Fs81Firmware, Zk4500Firmware, Fdu2000Firmware)
}
_IMAGE_SUFFIXES: Final = (".png", ".tif", ".tiff", ".bmp")


def main() -> int:
    """Parse the command line and run one stub; the process's exit status."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.DEBUG if arguments.verbose else logging.WARNING, stream=sys.stderr)
    try:
        command: Callable[[argparse.Namespace], None] = arguments.command
        command(arguments)
    except OSError as error:
        print(f"firmware_stubs: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m firmware_stubs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="log what happens to standard error")
    kinds = parser.add_subparsers(required=True, metavar="KIND")

    scanner = kinds.add_parser("scanner", help="a fingerprint scanner behind a USB/IP server")
    _add_server_options(scanner)
    scanner.add_argument("--model", choices=sorted({*MODELS, *FRAME_SCANNERS, NB1010}), default="4500")
    scanner.add_argument(
        "--serial", type=_serial, help="serial number string, which also seeds the glass; default: own"
    )
    scanner.add_argument("--image-ms", type=_positive, help="duration of one image transfer; default: the model's own")
    scanner.add_argument(
        "--noise", type=_not_negative, help="standard deviation, grey levels; default: the model's own"
    )
    _add_usb_options(scanner)
    scanner.set_defaults(command=_scanner)

    tenprint = kinds.add_parser("tenprint", help="a ten-print slap scanner behind a USB/IP server")
    _add_server_options(tenprint)
    tenprint.add_argument("--serial", type=_serial, default="TPS1-0001", help="serial number, which seeds the sensor")
    tenprint.add_argument("--rate", type=_frame_rate, default=15.0, help="frames a second, up to 1000")
    tenprint.add_argument("--wire-mb-s", type=_not_negative, default=40.0, help="speed of the bus; 0: it takes no time")
    _add_usb_options(tenprint)
    tenprint.set_defaults(command=_tenprint)

    camera = kinds.add_parser("camera", help="a 1080p MJPEG camera over HTTP")
    _add_server_options(camera)
    camera.add_argument("--fps", type=_frame_rate, default=30.0, help="up to 1000")
    scene = camera.add_mutually_exclusive_group()
    scene.add_argument("--scene", type=Path, help="an image file before the lens")
    scene.add_argument("--portrait", type=_seed, default=1, help="seed of a schematic portrait before the lens")
    camera.add_argument("--numbered", action="store_true", help="frames show their number in the round, 1 to 7")
    camera.set_defaults(command=_camera)

    dslr = kinds.add_parser("dslr", help="a reflex camera over PTP/IP")
    _add_server_options(dslr)
    dslr.add_argument("--portrait", type=_seed, default=1, help="seed of a schematic portrait before the lens")
    dslr.add_argument("--serial", type=_serial, default="STUB-0001")
    dslr.add_argument("--no-live-view", action="store_true", help="a body that takes stills alone")
    dslr.set_defaults(command=_dslr)

    card = kinds.add_parser("card", help="chip cards in the slots of vpcd, the virtual reader of pcscd: its clients")
    _add_server_options(card)
    card.add_argument("--gate", type=Path, help="of a pcscd with a network of its own (firmware_stubs.card.gate)")
    card.add_argument("--slots", type=_slots, default=1, help="cards, 1 to 16, each in a slot; two slots a reader")
    card.add_argument("--state", type=Path, help="a file that keeps the cards; default: they end with the process")
    card.add_argument("--profile", choices=sorted(PROFILES), default=VN_CCCD.name)
    card.add_argument(
        "--extended",
        choices=("announced", "unannounced", "refused"),
        default="announced",
        help="extended lengths: taken and told in the ATR, taken, or neither",
    )
    card.add_argument("--exchange-ms", type=float, default=0.0, help="what a real wire adds to each exchange")
    card.add_argument("--octets-per-s", type=float, help="what a real wire carries; default: no time at all")
    card.add_argument("--atr", type=bytes.fromhex, default=b"", help="another answer to reset, in hexadecimal digits")
    card.set_defaults(command=_card)

    pcscd = kinds.add_parser("pcscd", help="the real pcscd with virtual readers, unseen by the network")
    pcscd.add_argument("--folder", type=Path, required=True, help="a new one of its own, its path at most 80 bytes")
    pcscd.add_argument("--readers", type=int, choices=range(1, MAX_SLOTS // SLOTS_A_READER + 1), default=1)
    pcscd.add_argument("--until-stdin-closes", action="store_true", help="end when standard input reaches its end")
    pcscd.set_defaults(command=_pcscd)

    finger = kinds.add_parser("finger", help="write one synthetic print, 500 ppi")
    finger.add_argument("--seed", type=_seed, required=True)
    finger.add_argument("--impression", type=_seed, default=0)
    finger.add_argument("--out", type=_image_file, required=True, help=f"one of {', '.join(_IMAGE_SUFFIXES)}")
    finger.set_defaults(command=_finger)
    return parser


def _add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=0, help="0: any free one")
    parser.add_argument("--control-port", type=_port, default=0, help="0: any free one")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input reaches its end")


def _add_usb_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bus-id", type=_bus_id, default="1-1")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:TIMES[:AFTER]]",
        help="arm a fault from the start: it strikes TIMES times (1) after AFTER chances (0); repeatable",
    )
    parser.set_defaults(parser=parser)


def _scanner(arguments: argparse.Namespace) -> None:
    from firmware_stubs.frame_scanner.stub import FrameScannerOptions, FrameScannerStub
    from firmware_stubs.nb1010.stub import FAULTS as NB1010_FAULTS
    from firmware_stubs.nb1010.stub import Nb1010Options, Nb1010Stub
    from firmware_stubs.uru4000.stub import FAULTS, ScannerOptions, ScannerStub

    stub: FrameScannerStub | Nb1010Stub | ScannerStub
    if arguments.model in FRAME_SCANNERS:
        firmware = FRAME_SCANNERS[arguments.model]
        stub = FrameScannerStub(
            FrameScannerOptions(
                firmware=firmware,
                serial=arguments.serial,
                picture_ms=arguments.image_ms,
                noise=arguments.noise,
                **_ports(arguments, firmware.FAULTS),
            )
        )
    elif arguments.model == NB1010:
        stub = Nb1010Stub(
            Nb1010Options(
                serial=arguments.serial or "",
                image_ms=arguments.image_ms,
                noise=arguments.noise,
                **_ports(arguments, NB1010_FAULTS),
            )
        )
    else:
        stub = ScannerStub(
            ScannerOptions(
                model=MODELS[arguments.model],
                serial=arguments.serial,
                image_ms=arguments.image_ms,
                noise=arguments.noise,
                **_ports(arguments, FAULTS),
            )
        )

    asyncio.run(_serve(arguments, "scanner", stub))


def _tenprint(arguments: argparse.Namespace) -> None:
    from firmware_stubs.tenprint.faults import FAULTS
    from firmware_stubs.tenprint.stub import TenPrintOptions, TenPrintStub

    options = TenPrintOptions(
        serial=arguments.serial,
        rate=arguments.rate,
        wire_bytes_s=arguments.wire_mb_s * 1e6,
        **_ports(arguments, FAULTS),
    )
    asyncio.run(_serve(arguments, "tenprint", TenPrintStub(options)))


async def _serve(
    arguments: argparse.Namespace, kind: str, stub: FrameScannerStub | Nb1010Stub | ScannerStub | TenPrintStub
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    when_asked_to_stop(arguments, lambda: loop.call_soon_threadsafe(stop.set))
    async with stub:
        _announce(kind, stub.url, stub.control_url)
        await stop.wait()


def _ports(arguments: argparse.Namespace, faults: Collection[Enum]) -> dict[str, Any]:
    """What every scanner takes of the command line. faults: the kinds that this one offers."""
    return {
        "host": arguments.host,
        "port": arguments.port,
        "control_port": arguments.control_port,
        "bus_id": arguments.bus_id,
        "faults": _faults(arguments, faults),
    }


def _faults(arguments: argparse.Namespace, kinds: Collection[Enum]) -> tuple[FaultOrder, ...]:
    """The faults of the command line, through the reader of the hand's port; ends the process for one it refuses."""
    orders = []
    for text in arguments.fault:
        kind, _, counts = text.partition(":")
        try:
            numbers = [int(count) for count in counts.split(":")] if counts else []
            asked = dict(zip(("times", "after")[: len(numbers)], numbers, strict=True))
            orders.append(parse_fault(json.dumps({"kind": kind} | asked).encode(), kinds))
        except (Refused, ValueError) as error:
            arguments.parser.error(f"argument --fault: {text}: {error}")
    return tuple(orders)


def _camera(arguments: argparse.Namespace) -> None:
    from firmware_stubs.camera import serve
    from firmware_stubs.camera.refusal import Refusal
    from firmware_stubs.camera.scene import decode
    from firmware_stubs.portrait import schematic_portrait

    try:
        file: Path | None = arguments.scene
        scene = schematic_portrait(arguments.portrait) if file is None else decode(file.read_bytes())
    except Refusal as refusal:
        message = f"{arguments.scene}: {refusal}"
        raise OSError(message) from refusal
    stop = threading.Event()
    when_asked_to_stop(arguments, stop.set)
    serve(
        arguments.host,
        arguments.port,
        arguments.control_port,
        fps=arguments.fps,
        scene=scene,
        numbered=arguments.numbered,
        ready=lambda url, control: _announce("camera", url, control),
        stop=stop,
    )


def _dslr(arguments: argparse.Namespace) -> None:
    from firmware_stubs.dslr import serve

    stop = threading.Event()
    when_asked_to_stop(arguments, stop.set)
    serve(
        arguments.host,
        arguments.port,
        arguments.control_port,
        seed=arguments.portrait,
        serial=arguments.serial,
        live_view=not arguments.no_live_view,
        ready=lambda url, control: _announce("dslr", url, control),
        stop=stop,
    )


def _card(arguments: argparse.Namespace) -> None:
    from firmware_stubs.card.reader_slot import Pace
    from firmware_stubs.card.serving import serve

    stop = threading.Event()
    when_asked_to_stop(arguments, stop.set)
    serve(
        arguments.host,
        arguments.port,
        arguments.control_port,
        gate=arguments.gate,
        slots=arguments.slots,
        state=arguments.state,
        profile=replace(
            PROFILES[arguments.profile],
            extended=arguments.extended != "refused",
            announced=arguments.extended == "announced",
            other_atr=arguments.atr,
        ),
        pace=Pace(max(0.0, arguments.exchange_ms / 1000), arguments.octets_per_s),
        ready=lambda url, control: _announce("card", url, control),
        stop=stop,
    )


def _pcscd(arguments: argparse.Namespace) -> None:
    from firmware_stubs.card.pcscd import Pcscd, missing

    if missing():
        raise OSError(missing())
    stop = threading.Event()
    when_asked_to_stop(arguments, stop.set)
    arguments.folder.mkdir()
    with Pcscd(arguments.folder, arguments.readers) as daemon:
        told = {"ready": True, "kind": "pcscd", "gate": str(daemon.gate), "environment": daemon.environment}
        print(json.dumps(told), flush=True)
        stop.wait()


def _finger(arguments: argparse.Namespace) -> None:
    from PIL import Image

    from firmware_stubs.fingers import finger_image

    Image.fromarray(finger_image(arguments.seed, arguments.impression)).save(arguments.out, dpi=(500, 500))


def _announce(kind: str, url: str, control: str) -> None:
    print(json.dumps({"ready": True, "kind": kind, "url": url, "control": control}), flush=True)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return port


def _slots(text: str) -> int:
    slots = int(text)
    if not 1 <= slots <= MAX_SLOTS:
        raise argparse.ArgumentTypeError(f"slots are 1 to {MAX_SLOTS}")
    return slots


def _positive(text: str) -> float:
    number = float(text)
    if not 0.0 < number < 1e6:
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return number


def _not_negative(text: str) -> float:
    return 0.0 if text == "0" else _positive(text)


def _frame_rate(text: str) -> float:
    if _positive(text) > 1000.0:
        raise argparse.ArgumentTypeError("at most 1000 frames a second")
    return float(text)


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError("a seed is not negative")
    return seed


def _serial(text: str) -> str:
    if not 1 <= len(text) <= 126:
        raise argparse.ArgumentTypeError("a serial number has 1 to 126 characters")
    return text


def _image_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in _IMAGE_SUFFIXES:
        raise argparse.ArgumentTypeError(f"the suffix must be one of {', '.join(_IMAGE_SUFFIXES)}")
    return path


def _bus_id(text: str) -> str:
    if not 1 <= len(text) <= 31 or not text.isascii() or not text.isprintable() or "/" in text:
        raise argparse.ArgumentTypeError("a bus id has 1 to 31 printable ASCII characters, no slash")
    return text


if __name__ == "__main__":
    sys.exit(main())
