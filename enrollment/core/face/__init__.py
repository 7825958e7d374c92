"""Portraits: what a camera frame alone can tell of its quality."""

from __future__ import annotations

from enrollment.core.face.quality import PortraitQuality, assess_portrait

__all__ = ["PortraitQuality", "assess_portrait"]
