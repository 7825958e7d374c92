"""Compile everything now rather than at the first comparison: `python -m enrollment.core.fingerprint.compiled`."""

from __future__ import annotations

from enrollment.core.fingerprint.compiled import prepare

prepare()
