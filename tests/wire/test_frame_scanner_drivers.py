"""Drivers of scanners that only send pictures, against their firmware models over USB/IP."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.catalogue import Proof, entry
from drivers.discovery import build, discover
from drivers.spi import CancelToken, FingerprintScanner, ScanEvent

if TYPE_CHECKING:
    from tests.contract.device_stubs import FrameScannerStub

pytest_plugins = ("tests.contract.device_stubs",)
pytestmark = pytest.mark.usefixtures("no_thread_left")

EACH = pytest.mark.parametrize("stub", ["fs81", "zk4500", "fdu2000"], indirect=True)


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> FrameScannerStub:
    return cast("FrameScannerStub", request.getfixturevalue(f"{request.param}_stub"))


def ignore(_: ScanEvent) -> None:
    pass


@EACH
def test_capture_is_the_laid_finger_upright_with_dark_ridges(
    stub: FrameScannerStub, print_like: NDArray[np.uint8]
) -> None:
    stub.lay(print_like)
    with urllib.request.urlopen(stub.control_url + "/platen", timeout=10) as answer:  # noqa: S310 - loopback
        laid = cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert laid is not None
    (found,) = discover([stub.url]).devices
    assert found.proven is Proof.MODEL_ONLY
    scanner = cast(FingerprintScanner, build(found))
    scanner.open()
    taken = scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=ignore).pixels
    scanner.close()
    assert taken.shape == laid.shape
    difference = np.abs(taken.astype(np.int16) - laid)
    assert difference.max() <= 12  # six deviations of the model's noise
    assert difference.mean() < 3


@EACH
def test_scanner_without_strings_is_named_by_its_driver(stub: FrameScannerStub) -> None:
    scanner = cast(FingerprintScanner, entry(stub.model).build("usbip://127.0.0.1:1/1-1"))
    assert scanner.identity.vendor
    assert scanner.identity.model
    assert scanner.identity.serial == ""


@EACH
def test_lamp_is_lit_only_while_a_finger_is_looked_for(stub: FrameScannerStub, print_like: NDArray[np.uint8]) -> None:
    scanner = cast(FingerprintScanner, entry(stub.model).build(stub.url))
    scanner.open()
    stub.await_state("off")
    seen: list[str] = []

    def look(event: ScanEvent) -> None:
        if event is ScanEvent.FINGER_ON:
            seen.append(stub.control("GET", "/state")["mode"])

    stub.lay(print_like)
    scanner.capture(timeout_s=5, cancel=CancelToken(), on_event=look)
    assert seen == ["lit"]
    stub.await_state("off")
    scanner.close()
