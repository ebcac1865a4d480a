"""Attributes: words of the merchant's own about a customer, by which figures are told apart.

A merchant names keys of metadata. What stands under them, at the subscription or else at its
customer, is written into the lines of the ledgers, so that a line keeps what was true when it was
recorded.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.mirror import Customer, Subscription
from app.domain.survey import own_words

# Each combination of values is kept apart for each month: more would be cells without end.
MOST_ATTRIBUTES = 5
LONGEST_VALUE = 40
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def attributes_of(
    names: Sequence[str],
    subscription: Subscription,
    customer: Customer | None,
    last: str | None = None,
) -> str | None:
    """The attributes of a subscription as a ledger keeps them: JSON in the order of names, None
    where there are none. Of a customer that is not at hand, what was known `last` holds."""
    if not names:
        return None
    known = values_of(last) if customer is None else _told(customer.metadata)
    found = known | _told(subscription.metadata)
    kept = {name: found[name] for name in sorted(names) if name in found}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def values_of(kept: str | None) -> dict[str, str]:
    """The values by name that a ledger keeps."""
    found: dict[str, str] = json.loads(kept) if kept else {}
    return found


def _told(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    words = {
        name: own_words(value, longest=LONGEST_VALUE)
        for name, value in (metadata or {}).items()
        if isinstance(value, str)
    }
    return {name: word for name, word in words.items() if word}
