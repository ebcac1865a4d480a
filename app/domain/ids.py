"""Identifiers that are derived, never drawn: the same facts give the same id everywhere."""

import hashlib
import re
from datetime import datetime
from functools import lru_cache

PREFIXES = {
    "merchant": "mer",
    "account": "acc",
    "key": "key",
    "token_key": "ctk",
    "case": "case",
    "case_event": "cev",
    "attempt": "att",
    "action": "act",
    "message": "msg",
    "message_event": "mev",
    "suppression": "sup",
    "link": "lnk",
    "link_event": "lev",
    "movement": "mrr",
    "churn": "chu",
    "imported": "imp",
    "entry": "rec",
    "policy": "pol",
    "audit": "aud",
    "alert": "alr",
    "event": "evt",
    "endpoint": "end",
    "delivery": "dlv",
    "try": "try",
    "session": "cxs",
    "cancel_request": "cxr",
    "evidence": "evd",
    "redemption": "red",
    "mended": "mnd",
    "declaration": "dec",
    "consent": "con",
    "comparison": "cmp",
    "taking": "tkn",
    "rate": "fxr",
}
# The digit in which a UUID's two variant bits (10) stand, from a digit of the hash.
VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
SHAPE = re.compile(r"^[a-z]{3,4}_[0-9a-f]{32}$")


def derive_id(what: str, at: datetime, *facts: object) -> str:
    """A prefixed UUIDv7 whose time is `at` and whose random bits are a hash of `facts`.

    Deterministic, so a repeated derivation names the same thing (a replayed webhook makes no
    second case), and a simulation needs no source of ids. Not a secret: access never rests on
    an id being hard to guess.

    Args:
        what: a name of `PREFIXES`.
        at: aware UTC; gives the id its place in time (milliseconds).
        facts: the natural key; joined by a separator no provider id contains.
    """
    digest = hashlib.sha256("\x1f".join([what, *map(str, facts)]).encode()).hexdigest()
    tail = f"7{digest[:3]}{VARIANT[digest[4]]}{digest[5:20]}"
    return f"{PREFIXES[what]}_{_stamp(at)}{tail}"


@lru_cache(maxsize=4096)
def _stamp(at: datetime) -> str:
    """An instant in milliseconds, as the first digits of an id: a batch has few instants."""
    return f"{int(at.timestamp() * 1000) & ((1 << 48) - 1):012x}"
