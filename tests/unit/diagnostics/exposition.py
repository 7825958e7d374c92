"""A strict reader of Prometheus text 0.0.4, written from its description alone."""

from __future__ import annotations

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\+Inf|-Inf|NaN|-?[0-9.]+(?:e[+-]?[0-9]+)?)")
PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}

Key = tuple[str, frozenset[tuple[str, str]]]


def parse(text: str) -> dict[Key, float]:
    """All samples by name and labels. Raises AssertionError for anything that the format does not allow."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    found: dict[Key, float] = {}
    family = ""
    for line in text.splitlines():
        if help_line := re.fullmatch(rf"# HELP ({NAME}) (.*)", line):
            family = help_line[1]
            assert family not in kinds, f"{family} comes twice"
        elif type_line := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line):
            assert type_line[1] == family
            kinds[family] = type_line[2]
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] in {family + suffix for suffix in SUFFIXES[kinds[family]]}, line
            key = (sample[1], frozenset((name, _plain(said)) for name, said in PAIR.findall(sample[2] or "")))
            assert key not in found, line
            found[key] = float(sample[3])
    return found


def _plain(said: str) -> str:
    return re.sub(r'\\["\\n]', lambda match: ESCAPES[match[0]], said)


def value(samples: dict[Key, float], name: str, **labels: str) -> float:
    """One sample; 0 where it is not there."""
    return samples.get((name, frozenset(labels.items())), 0.0)
