"""The list of targets. A reader of octets that a stranger sends belongs here: add its Target to one of these tuples."""

from __future__ import annotations

from typing import Final

from bench.fuzzing.card_ledger import CARD_LEDGER_TARGETS
from bench.fuzzing.card_verification import CARD_VERIFICATION_TARGETS
from bench.fuzzing.cards import CARD_TARGETS
from bench.fuzzing.chip import CHIP_TARGETS
from bench.fuzzing.images import IMAGE_TARGETS
from bench.fuzzing.matching import MATCHING_TARGETS
from bench.fuzzing.personalisation import PERSONALISATION_TARGETS
from bench.fuzzing.records import RECORD_TARGETS
from bench.fuzzing.sealing import SEALING_TARGETS
from bench.fuzzing.station import STATION_TARGETS
from bench.fuzzing.target import Target
from bench.fuzzing.wires import WIRE_TARGETS

TARGETS: Final[tuple[Target, ...]] = (
    *RECORD_TARGETS,
    *MATCHING_TARGETS,
    *SEALING_TARGETS,
    *STATION_TARGETS,
    *CHIP_TARGETS,
    *CARD_LEDGER_TARGETS,
    *CARD_VERIFICATION_TARGETS,
    *PERSONALISATION_TARGETS,
    *WIRE_TARGETS,
    *CARD_TARGETS,
    *IMAGE_TARGETS,
)
