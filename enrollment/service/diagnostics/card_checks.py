"""Checks of chip-card readers: on USB, known to PC/SC, and named in station.toml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.discovery import DiscoveryFailure, look
from enrollment.service.config import StationConfig
from enrollment.service.diagnostics.findings import Finding, Severity
from enrollment.service.diagnostics.place import Machine
from enrollment.service.diagnostics.running_checks import CARD_REMEDIES, REPLUG

SCHEME: Final = "pcsc:"
CCID_CLASS: Final = "0b"  # USB interface class of readers (CCID 1.1, 4.3)
SYSFS_USB: Final = "sys/bus/usb/devices"


def check_readers(machine: Machine, config: StationConfig) -> Iterator[Finding]:
    """card-reader: PC/SC lists the readers that station.toml names, and every reader on USB is among them."""
    on_usb = usb_readers(machine)
    wanted = [address for address in config.devices.addresses if address.lower().startswith(SCHEME)]
    if not wanted and on_usb:
        names = ", ".join(on_usb)
        yield Finding(
            "card-reader",
            Severity.WARNING,
            f"Có đầu đọc thẻ ({names}) nhưng station.toml không dùng đến.",
            f"A card reader is plugged in ({names}), and station.toml does not use it.",
            'Thêm "pcsc:" vào [devices] addresses trong station.toml.',
            'Add "pcsc:" to [devices] addresses in station.toml.',
        )
    for address in wanted:
        seen = look(address)
        if seen.failure is not None:
            yield _failed(seen.failure)
        elif seen.devices:
            names = ", ".join(device.device_id for device, _ in seen.devices)
            yield Finding("card-reader", Severity.OK, f"PC/SC thấy: {names}.", f"PC/SC sees: {names}.")
        else:
            yield _none(on_usb)


def usb_readers(machine: Machine) -> list[str]:
    """Products with a CCID interface, as Linux sees them."""
    found = []
    for folder in sorted((machine.root / SYSFS_USB).glob("*:*")):
        if machine.read(f"{SYSFS_USB}/{folder.name}/bInterfaceClass") == CCID_CLASS:
            device = folder.name.partition(":")[0]
            found.append(machine.read(f"{SYSFS_USB}/{device}/product") or f"usb:{device}")
    return list(dict.fromkeys(found))


def _none(on_usb: list[str]) -> Finding:
    if on_usb:
        names = ", ".join(on_usb)
        return Finding(
            "card-reader",
            Severity.ERROR,
            f"USB có đầu đọc thẻ ({names}) nhưng PC/SC không thấy.",
            f"A card reader is on USB ({names}), and PC/SC does not see it.",
            "Cài trình điều khiển: apt install libccid (hoặc của hãng), rồi systemctl restart pcscd.",
            "Install its driver: apt install libccid (or the maker's), then systemctl restart pcscd.",
        )
    return Finding(
        "card-reader",
        Severity.WARNING,
        "Không có đầu đọc thẻ nào đang cắm.",
        "No card reader is attached.",
        "Cắm đầu đọc thẻ.",
        "Plug a card reader in.",
    )


def _failed(failure: DiscoveryFailure) -> Finding:
    reason = failure.error.reason
    remedy_vi, remedy_en = CARD_REMEDIES.get(reason, REPLUG)
    return Finding(
        "card-reader",
        Severity.ERROR,
        f"Không tới được đầu đọc thẻ ở {failure.address} [{reason}].",
        f"No card reader is reached at {failure.address} [{reason}]: {failure.error}.",
        remedy_vi,
        remedy_en,
    )
