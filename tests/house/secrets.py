"""What a secret looks like in a file: by its shape, and by being drawn rather than written."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.house.sources import NOT_OURS, ROOT

DRAWN = 3.5  # bits a character: of words and patterns fewer, of random base 62 more, from 24 on
SHAPES = {
    "a key of the provider": re.compile(r"\b[rs]k_(?:live|test)_([A-Za-z0-9]{20,})"),
    "a webhook secret": re.compile(r"\bwhsec_([A-Za-z0-9+/_-]{24,})"),
    "a key of ours": re.compile(r"\bhf_(?:live|test)_([A-Za-z0-9_-]{24,})"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*([A-Za-z0-9+/=\s]{64,})"),
    "a signed token": re.compile(
        r"\beyJ[\w-]{8,}\.(eyJ[\w-]{8,}\.[\w-]{20,})",
    ),
    "a key of AWS": re.compile(r"\bAKIA([0-9A-Z]{16})\b"),
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]|github_pat)_([A-Za-z0-9_]{30,})"),
    "a token of Slack": re.compile(r"\bxox[abprs]-([A-Za-z0-9-]{20,})"),
}


def bits(text: str) -> float:
    """Shannon entropy, in bits a character."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


def secrets_in(text: str) -> Iterator[str]:
    """What each secret in a text is, with its line; never the secret."""
    for what, shape in SHAPES.items():
        for found in shape.finditer(text):
            if bits(found[1]) >= DRAWN:
                yield f"{what} in line {text.count(chr(10), 0, found.start()) + 1}"


def kept_files() -> Iterator[Path]:
    """Every file that is kept in the repository; none that was installed or made."""
    for path in sorted(ROOT.iterdir()):
        if path.is_file():
            yield path
        elif path.name == ".ci" or not (path.name.startswith(".") or path.name in NOT_OURS):
            inner = (one for one in sorted(path.rglob("*")) if one.is_file())
            yield from (one for one in inner if "__pycache__" not in one.parts)
