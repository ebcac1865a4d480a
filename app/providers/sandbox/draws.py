"""Ids and chances that depend on names only, never on the order in which things were asked.

Two runs with one seed give the same ids and the same luck, however many callers race.
"""

import hashlib

ID_LENGTH = 24
DRAW_DIGITS = 13  # 52 bits, what a float holds exactly


def digest(seed: int, *parts: object) -> str:
    """Hex digest of the seed and the parts; the parts are kept apart, so ("a", "b") != ("ab",)."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return hashlib.sha256(text.encode()).hexdigest()


def make_id(prefix: str, seed: int, *key: object) -> str:
    """An id in the provider's form, such as `in_` and 24 characters."""
    return f"{prefix}_{digest(seed, prefix, *key)[:ID_LENGTH]}"


def draw(seed: int, key: str, purpose: str, n: int = 0) -> float:
    """A number in [0, 1) for the nth time something is decided about one object."""
    return float(int(digest(seed, key, purpose, n)[:DRAW_DIGITS], 16) / 16.0**DRAW_DIGITS)
