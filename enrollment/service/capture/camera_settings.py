"""What of a leased camera can be set: exposure and zoom of a body that takes stills, nothing of any other."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.errors import UnsupportedDevice
from drivers.spi import CameraSetting, CancelToken, DeviceKind, SettingState, StillCamera
from enrollment.service.capture.errors import SettingNotOffered
from enrollment.service.capture.studio import LeaseReference, Studio
from enrollment.service.devices.worker import Driver

Settings = Mapping[CameraSetting, SettingState]


async def camera_settings(
    studio: Studio,
    reference: LeaseReference,
    operator_id: str,
    change: tuple[CameraSetting, str] | None = None,
) -> Settings:
    """The settings as they stand, after a change where one is asked for.

    It waits for the frame that a preview or capture is reading, not for their end. Raises SettingNotOffered for a value
    that is none of the choices, the errors of leases, WrongDeviceKind, DeviceError.
    """
    lease, device = studio.leased(reference, DeviceKind.CAMERA, operator_id)

    def job(driver: Driver) -> Settings | None:
        if not isinstance(driver, StillCamera):
            return {} if change is None else None
        try:
            if change is not None:
                driver.change_setting(*change)
        except UnsupportedDevice:  # the caller's mistake: the camera works on, and is not closed as one that failed
            return None
        return driver.settings()

    settings = await device.worker.run(job, cancel=CancelToken(), check=lease.require_live)
    if settings is None:
        raise SettingNotOffered(
            "the camera does not offer this setting, or not this value",
            device_id=device.device_id,
            setting="" if change is None else change[0].value,
        )
    return settings
