"""Letters on a picture, with the fonts that the machine has.

Pillow's own font lacks most Vietnamese letters. Where no known font of the system has them, the marks are left off:
"Điểm đặc trưng" is then written "Diem dac trung", which is read without trouble and better than empty boxes.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FAMILIES: Final = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
    ("arial.ttf", "arialbd.ttf"),
)


def plain_letters(text: str) -> str:
    """Leave off the marks of Vietnamese letters; a raised 2 comes down."""
    decomposed = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


@cache
def best_font(size: int, bold: bool) -> tuple[Font, bool]:
    """Find the best font that the machine has; also tells whether it has Vietnamese letters."""
    for family in _FAMILIES:
        try:
            return ImageFont.truetype(family[bold], size), True
        except OSError:
            continue
    return ImageFont.load_default(size), False


class Pen:
    """Writes on one picture."""

    def __init__(self, drawn: ImageDraw.ImageDraw) -> None:
        self._drawn = drawn

    def write(
        self, at: tuple[float, float], text: str, size: int, colour: Colour, *, bold: bool = False, right: bool = False
    ) -> None:
        """Write one line; `at` is its top left corner, or its top right one."""
        font, whole = best_font(size, bold)
        self._drawn.text(
            at, text if whole else plain_letters(text), fill=colour, font=font, anchor="ra" if right else "la"
        )

    def width(self, text: str, size: int, *, bold: bool = False) -> float:
        """How wide a line is, pixels."""
        font, whole = best_font(size, bold)
        return self._drawn.textlength(text if whole else plain_letters(text), font=font)

    def wrapped(self, text: str, size: int, most_px: float) -> list[str]:
        """Break a text into lines of at most so many pixels; a longer word keeps a line of its own."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(longer, size) <= most_px:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines
