"""The wire log: one line an exchange with a device, of its kind, lengths and time; never of its content.

Off, and free of cost but for a look at its level, unless somebody listens to this very logger. A record's `opened_by`
is the name of the thread that opened the device.
"""

from __future__ import annotations

import logging
from typing import Final

TRAFFIC_LEVEL: Final = 5  # below DEBUG

traffic = logging.getLogger("drivers.traffic")
traffic.propagate = False  # what a reader asks for goes to him, never into the station's log
