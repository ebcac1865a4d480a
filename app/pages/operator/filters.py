"""The filters of the list of cases: what was typed, what it asks for, and what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from app.domain.declines import DeclineKind
from app.domain.dunning import CaseState, Waits
from app.domain.ids import SHAPE
from app.domain.instants import parse_instant
from app.domain.money import exponent
from app.services.cases import CaseQuery

NAMES = ("state", "waits", "decline", "account", "find", "currency", "least", "most", "age")
EVERY = "all"
AMOUNT = re.compile(r"\d{1,12}(?:[.,]\d{1,3})?")
CURRENCY = re.compile(r"[a-z]{3}")
PROVIDER_ID = re.compile(r"[!-~]{1,255}")
FIND = {"cus": "customer", "in": "invoice", "sub": "subscription"}
# Age of a case: opened at most or at least so many days ago.
AGES: Mapping[str, tuple[str, int, bool]] = {
    "1": ("Opened within a day", 1, True),
    "7": ("Opened within 7 days", 7, True),
    "30": ("Opened within 30 days", 30, True),
    "7+": ("Older than 7 days", 7, False),
    "14+": ("Older than 14 days", 14, False),
    "30+": ("Older than 30 days", 30, False),
}


@dataclass(slots=True)
class Filters:
    """`typed` is what the form shows again; `faults` says by field what is wrong with it. A field
    that is wrong asks for nothing, and the page says so."""

    typed: dict[str, str]
    query: CaseQuery = field(default_factory=CaseQuery)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The chosen tab."""
        return self.typed.get("state") or CaseState.ACTIVE.value

    @property
    def narrowed(self) -> bool:
        """Whether anything but the tab is chosen."""
        return any(self.typed.get(name) for name in NAMES if name != "state")

    def link(self, **changes: str) -> str:
        """The query string of the same filters with some of them changed."""
        wanted = {name: self.typed.get(name, "") for name in NAMES} | changes
        return "?" + urlencode({name: value for name, value in wanted.items() if value})


def read_filters(given: Mapping[str, str], now: datetime) -> Filters:
    """Read the filters of an address, which anybody may have typed."""
    typed = {name: given.get(name, "").strip()[:300] for name in NAMES}
    read = Filters(typed)
    currency = typed["currency"].lower()
    if currency and not CURRENCY.fullmatch(currency):
        read.faults["currency"] = "Three letters, such as eur."
        currency = ""
    wanted = {
        "states": _states(read),
        "waits": _one(read, "waits", Waits),
        "declines": _one(read, "decline", DeclineKind),
        "account": typed["account"] if PROVIDER_ID.fullmatch(typed["account"]) else None,
        "currency": currency or None,
        "due_from": _amount(read, "least", currency),
        "due_to": _amount(read, "most", currency),
        **_age(read, now),
        **_thing(read),
    }
    read.query = CaseQuery(**wanted)  # type: ignore[arg-type]
    return read


def _states(read: Filters) -> tuple[CaseState, ...]:
    if read.state == EVERY:
        return ()
    if read.state not in list(CaseState):
        read.faults["state"] = "There is no such state; all are shown."
        return ()
    return (CaseState(read.state),)


def _one(
    read: Filters, name: str, kind: type[Waits] | type[DeclineKind]
) -> tuple[Waits | DeclineKind, ...]:
    value = read.typed[name]
    if value and value not in list(kind):
        read.faults[name] = "There is no such choice; it was left out."
        return ()
    return (kind(value),) if value else ()


def _amount(read: Filters, name: str, currency: str) -> int | None:
    value = read.typed[name]
    if not value:
        return None
    if not AMOUNT.fullmatch(value):
        read.faults[name] = "A number, such as 29 or 29.00."
        return None
    if not currency:
        read.faults["currency"] = "Choose one: amounts of two currencies do not compare."
        return None
    return int(Decimal(value.replace(",", ".")).scaleb(exponent(currency)))


def _age(read: Filters, now: datetime) -> dict[str, datetime]:
    value = read.typed["age"]
    if not value:
        return {}
    if value not in AGES:
        read.faults["age"] = "There is no such choice; it was left out."
        return {}
    _, days, within = AGES[value]
    return {"opened_from" if within else "opened_to": now - timedelta(days=days)}


def _thing(read: Filters) -> dict[str, str]:
    value = read.typed["find"]
    if not value:
        return {}
    kind = FIND.get(value.partition("_")[0])
    if kind is None or not PROVIDER_ID.fullmatch(value):
        read.faults["find"] = (
            "The id of a customer (cus_…), invoice (in_…) or subscription (sub_…)."
        )
        return {}
    return {kind: value}


def read_place(given: str) -> tuple[datetime, str] | None:
    """Where a page goes on, `2026-01-05T09:00:00+00:00~case_…`; None for what is no place."""
    instant, _, case_id = given.partition("~")
    try:
        at = parse_instant(instant)
    except ValueError:
        return None
    return (at, case_id) if SHAPE.fullmatch(case_id) else None


def write_place(at: datetime, case_id: str) -> str:
    """The place after a case, for `read_place`."""
    return f"{at.isoformat()}~{case_id}"
