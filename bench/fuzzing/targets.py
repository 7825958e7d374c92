"""The list of targets. A reader of octets that a stranger sends belongs here: add its Target to one of these tuples."""

from __future__ import annotations

from typing import Final

from bench.fuzzing.images import IMAGE_TARGETS
from bench.fuzzing.records import RECORD_TARGETS
from bench.fuzzing.sealing import SEALING_TARGETS
from bench.fuzzing.target import Target

TARGETS: Final[tuple[Target, ...]] = (*RECORD_TARGETS, *SEALING_TARGETS, *IMAGE_TARGETS)
