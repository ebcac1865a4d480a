"""What somebody who leaves tells us: a reason, an answer to it, their own words."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

LONGEST_WORDS = 2000
LONGEST_NAME = 120
KEPT_FOR = timedelta(days=365)  # their own words; the reason is kept for the counts
# 13 digits or more, in groups or not: a card number (13 to 19 digits, ISO/IEC 7812-1) may stand in
# them, with what is written behind it, a date or a code.
DIGITS = re.compile(r"\d(?:[\s.,/_\-\u2010-\u2015]{0,2}\d){12,}")
GROUP = re.compile(r"\d+")
LEAST_DIGITS, MOST_DIGITS = 13, 19
MASK = "••••"

# Words that a person should look at, in five languages: threats of law, harm, fraud, data.
RED_FLAGS = {
    "legal": (
        "lawyer", "attorney", "lawsuit", "sue you", "small claims", "anwalt", "klage", "verklag",
        "avocat", "procès", "tribunal", "abogado", "demanda", "律师", "起诉", "诉讼",
    ),
    "fraud": (
        "fraud", "scam", "unauthorized", "unauthorised", "betrug", "abzocke", "unberechtigt",
        "arnaque", "escroquerie", "fraude", "estafa", "no autorizado", "诈骗", "欺诈", "盗刷",
    ),
    "chargeback": (
        "chargeback", "charge back", "dispute the", "rückbuchung", "zurückbuchen",
        "rétrofacturation", "opposition bancaire", "contracargo", "拒付", "退单",
    ),
    "data": (
        "gdpr", "data breach", "leaked", "dsgvo", "datenleck", "rgpd", "fuite de données",
        "filtración de datos", "数据泄露", "隐私泄露",
    ),
    "harm": (
        "kill myself", "suicide", "hurt myself", "umbringen", "selbstmord", "suizid", "me tuer",
        "suicid", "matarme", "suicidio", "自杀", "自残",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyAnswer:
    """What was answered at one step of a session. `words` and `follow_up` are the customer's own,
    without card numbers; both are emptied a year later (`forgotten_at`). `rating` and `likely` (to
    come back) are 0 to 10."""

    KEY: ClassVar = ("session_id", "step")
    UNIQUE: ClassVar = ()
    session_id: str
    step: str
    merchant_id: str
    subscription_id: str
    reason: str | None = None
    follow_up: str | None = None
    words: str | None = None
    competitor: str | None = None
    rating: int | None = None
    likely: int | None = None
    flags: tuple[str, ...] = ()
    at: datetime
    forgotten_at: datetime | None = None


def own_words(text: str | None, *, longest: int = LONGEST_WORDS) -> str | None:
    """What a customer wrote, fit to be kept: no control characters, no card number, not longer
    than this; None where nothing is left."""
    if not text:
        return None
    plain = "".join(
        letter if letter == "\n" or unicodedata.category(letter)[0] != "C" else " "
        for letter in text
    )
    return DIGITS.sub(_masked, plain).strip()[:longest].strip() or None


def _masked(found: re.Match[str]) -> str:
    """Groups that may be a card number together become the mask; what stands around them stays."""
    text = found.group()
    groups = list(GROUP.finditer(text))
    spans = [(groups[i].start(), groups[j].end()) for i, j in _cards([g.group() for g in groups])]
    kept, left = "", 0
    for start, end in spans:
        if start >= left:
            kept += text[left:start] + MASK
        left = max(left, end)
    return kept + text[left:]


def _cards(groups: list[str]) -> Iterator[tuple[int, int]]:
    """From where to where groups have the length and the check digit of a card number."""
    for first in range(len(groups)):
        digits = ""
        for last, group in enumerate(groups[first : first + MOST_DIGITS], first):
            digits += group
            if LEAST_DIGITS <= len(digits) <= MOST_DIGITS and _is_card_number(digits):
                yield first, last


def _is_card_number(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1 (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def red_flags(*texts: str | None) -> tuple[str, ...]:
    """Which red flags these words raise, by name."""
    text = unicodedata.normalize("NFKC", " ".join(t for t in texts if t)).casefold()
    return tuple(
        name for name, words in RED_FLAGS.items() if any(_says(text, word) for word in words)
    )


def _says(text: str, word: str) -> bool:
    """Whether the text has the word, or one that begins with it (`verklagen`)."""
    if any("\u4e00" <= letter <= "\u9fff" for letter in word):
        return word in text
    return re.search(rf"(?<!\w){re.escape(word)}", text) is not None
