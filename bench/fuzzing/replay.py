"""One input through one target, without the fuzzer and its instrumentation.

python -m bench.fuzzing.replay TARGET FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.fuzzing.targets import TARGETS


def main(name: str, path: Path) -> None:
    """Tell how the input ended; what is no refusal comes out as the traceback that it is."""
    target = next(target for target in TARGETS if target.name == name)
    try:
        target.run(path.read_bytes())
    except target.refusal as error:
        print(f"refused: {getattr(error, 'reason', type(error).__name__)}, {error}")
    else:
        print("read")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
