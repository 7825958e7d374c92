"""From which score on two prints are one finger's, by how rare a false match must be.

The scores were measured, not modelled: `bench.false_match` compares prints of different fingers. Of 624,960 pairs of
synthetic ones, 1 in 100, 1,000, 10,000 and 100,000 reached 0.51, 0.89, 1.36 and 2.25; of the 114,240 of 60 of these
people 0.52, 0.93 and 1.49; of 49,920 of four public sets 0.39, 0.74 and 1.13. What stands here lies above the highest
of them. Between two of them the rate is
taken to fall exponentially. A rarer match than was measured is refused: nobody knows its score. Comparisons of so few
fingers (280 synthetic, 40 real) are far from independent: the rates are right by their order, not by a second digit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from enrollment.core.errors import InvalidInput

ALGORITHM: Final = "enrollment.fingerprint.compare"
VERSION: Final = "2"  # goes up with every change of a score: MEASURED is then to be measured again

MEASURED: Final[Mapping[float, float]] = {1e-2: 0.55, 1e-3: 1.0, 1e-4: 1.5, 1e-5: 2.4}


def score_at(false_match_rate: float) -> float:
    """The least score at which at most this share of comparisons of different fingers match.

    false_match_rate: of one comparison, within what was measured. Raises InvalidInput.
    """
    rarest, commonest = min(MEASURED), max(MEASURED)
    if not rarest <= false_match_rate <= commonest:
        raise InvalidInput(
            f"a false match rate must be {rarest:g}..{commonest:g}: others were not measured",
            field="false_match_rate",
            least=rarest,
            most=commonest,
        )
    rates = sorted(MEASURED)
    logs = [math.log(rate) for rate in rates]
    return float(np.interp(math.log(false_match_rate), logs, [MEASURED[rate] for rate in rates]))
