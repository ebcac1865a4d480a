"""A merchant's colour made readable: WCAG contrast, on light paper and on dark."""

import re
from dataclasses import dataclass
from functools import lru_cache

COLOUR = re.compile(r"#[0-9a-f]{6}")
OURS = "#0b5f58"
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3: normal text
LIGHT_PAPER, DARK_PAPER = "#ffffff", "#1b2126"
LIGHT_INK, DARK_INK = "#ffffff", "#08231f"
STEPS = 40
Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Accents:
    """The colour of buttons and links, and of the words on a button: on light and on dark paper.
    Each pair has a contrast of at least 4.5, and so has each colour with its paper."""

    light: str
    on_light: str
    dark: str
    on_dark: str


@lru_cache(maxsize=1000)
def accents(colour: str | None) -> Accents:
    """The accents nearest to `colour` (`#rrggbb`; ours where it is none) that can be read."""
    wanted = (colour or "").lower()
    wanted = wanted if COLOUR.fullmatch(wanted) else OURS
    light = _towards(wanted, "#000000", against=LIGHT_PAPER)
    dark = _towards(wanted, "#ffffff", against=DARK_PAPER)
    return Accents(light, _ink(light), dark, _ink(dark))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, relative luminance)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _towards(colour: str, end: str, *, against: str) -> str:
    """`colour`, moved towards `end` until it can be read on the paper and an ink on it."""
    mixed = colour
    for step in range(STEPS + 1):
        mixed = _mix(colour, end, step / STEPS)
        on_it = contrast(mixed, _ink(mixed))
        if contrast(mixed, against) >= LEAST_CONTRAST and on_it >= LEAST_CONTRAST:
            break
    return mixed


def _ink(colour: str) -> str:
    return max((LIGHT_INK, DARK_INK), key=lambda ink: contrast(ink, colour))


def _rgb(colour: str) -> Rgb:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _mix(colour: str, end: str, share: float) -> str:
    mixed = (a + (b - a) * share for a, b in zip(_rgb(colour), _rgb(end), strict=True))
    return "#" + "".join(f"{round(part * 255):02x}" for part in mixed)


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in _rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
