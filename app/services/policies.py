"""Reading a policy document into a policy. Says exactly where a document is wrong."""

import re
from collections.abc import Mapping
from typing import Any

from app.domain.policies import (
    EndPolicy,
    InvalidPolicy,
    MessageClass,
    MessageRow,
    Policy,
    RetryPolicy,
    Strategy,
)

SUBSCRIPTION_ENDS = frozenset({"cancel_now", "cancel_at_period_end", "pause", "leave"})
CURRENCY = re.compile("[a-z]{3}")
INVOICE_ENDS = frozenset({"uncollectible", "void", "leave"})


def policy_from(document: Mapping[str, Any], *, version: int = 1) -> Policy:
    """The policy of a document. Raises `InvalidPolicy` naming path and reason."""
    retry = _section(document, "retry")
    end = _section(document, "end")
    rows = document.get("messages", [])
    if not isinstance(rows, list):
        raise InvalidPolicy("messages: must be a list")
    return Policy(
        name=str(document.get("name", "default")),
        version=version,
        retry=RetryPolicy(
            strategy=_choice(retry, "retry.strategy", Strategy, "rules"),
            window_days=_number(retry, "retry.window_days", 28, 1, 90),
            max_attempts=_number(retry, "retry.max_attempts", 8, 0, 15),
            min_spacing_hours=_number(retry, "retry.min_spacing_hours", 20, 20, 24 * 30),
            days=_days(retry),
        ),
        messages=tuple(_row(row, n) for n, row in enumerate(rows)),
        end=EndPolicy(
            subscription=_word(end, "end.subscription", SUBSCRIPTION_ENDS, "cancel_now"),
            invoice=_word(end, "end.invoice", INVOICE_ENDS, "uncollectible"),
        ),
        after_cancel=_word(document, "after_cancel", frozenset({"forgive", "collect"}), "forgive"),
        late_payment=_word(
            document, "late_payment", frozenset({"offer_restart", "settle_only"}), "settle_only"
        ),
        materiality_minor=_materiality(document),
    )


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = document.get(name, {})
    if not isinstance(section, Mapping):
        raise InvalidPolicy(f"{name}: must be a mapping")
    return section


def _number(section: Mapping[str, Any], path: str, default: int, low: int, high: int) -> int:
    value = section.get(path.rsplit(".", 1)[-1], default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidPolicy(f"{path}: must be a whole number from {low} to {high}")
    return value


def _word(section: Mapping[str, Any], path: str, words: frozenset[str], default: str) -> str:
    value = section.get(path.rsplit(".", 1)[-1], default)
    if value not in words:
        raise InvalidPolicy(f"{path}: must be one of {', '.join(sorted(words))}")
    return str(value)


def _choice(section: Mapping[str, Any], path: str, kind: type[Strategy], default: str) -> Strategy:
    return kind(_word(section, path, frozenset(kind), default))


def _days(retry: Mapping[str, Any]) -> tuple[int, ...]:
    days = retry.get("days", [])
    good = isinstance(days, list) and all(type(d) is int and 0 < d <= 90 for d in days)
    if not good:
        raise InvalidPolicy("retry.days: must be a list of whole numbers from 1 to 90")
    if retry.get("strategy") == Strategy.FIXED and not days:
        raise InvalidPolicy("retry.days: the strategy fixed needs at least one day")
    return tuple(days)


def _materiality(document: Mapping[str, Any]) -> dict[str, int]:
    """Bounds by currency. Raises `InvalidPolicy` for a currency in capitals too: it would never
    be met, amounts carry theirs in lower case."""
    path = "materiality_minor"
    bounds = _section(document, path)
    for currency in bounds:
        if not CURRENCY.fullmatch(str(currency)):
            raise InvalidPolicy(f"{path}: {currency!r} is no ISO 4217 code in lower case")
    return {currency: _number(bounds, f"{path}.{currency}", 0, 0, 10**9) for currency in bounds}


def _row(row: Any, n: int) -> MessageRow:
    path = f"messages[{n}]"
    if not isinstance(row, Mapping) or not isinstance(row.get("when", {}), Mapping):
        raise InvalidPolicy(f"{path}: must be a mapping with step, template and when")
    for name in ("step", "template"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise InvalidPolicy(f"{path}.{name}: is missing")
    when = row.get("when", {})
    try:
        for_class = MessageClass(when.get("class", "any"))
    except ValueError:
        raise InvalidPolicy(f"{path}.when.class: must be any, card or soft") from None
    if not {"day", "before_end", "on", "on_failure"} & set(when):
        raise InvalidPolicy(f"{path}.when: needs day, before_end, on_failure or on")
    return MessageRow(
        step=row["step"],
        template=row["template"],
        for_class=for_class,
        day=when.get("day"),
        on_failure=when.get("on_failure"),
        before_end=when.get("before_end"),
        on=when.get("on"),
    )
