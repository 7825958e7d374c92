"""One target under libFuzzer, in a process of its own: libFuzzer ends the process that it runs in.

python -m bench.fuzzing.worker TARGET CORPUS [libFuzzer's options]

CORPUS is a folder, to which the seeds are written first. Python's edges are counted in the readers, nowhere else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bench.one_thread  # noqa: F401  (before numpy)

from atheris.import_hook import instrument_imports  # isort: skip
from atheris.native import Fuzz, Setup  # isort: skip

INSTRUMENTED = ["enrollment.core", "enrollment.service.config", "drivers"]

with instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
    from bench.fuzzing.targets import TARGETS


def main(name: str, corpus: Path, options: list[str]) -> None:
    """Run until libFuzzer's options say stop, or something other than a refusal comes out."""
    target = next(target for target in TARGETS if target.name == name)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)

    def run_one(data: bytes) -> None:
        try:
            target.run(data)
        except target.refusal:
            return

    Setup([sys.argv[0], str(corpus), f"-max_len={target.max_octets}", *options], run_one)
    Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
