"""What a customer has here, as the merchant counts it: shown to whoever is about to leave."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from app.domain.languages import written
from app.domain.reasons import said

MOST_FACTS = 12
LONGEST_LABEL, LONGEST_VALUE = 60, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFact:
    """One fact about a customer, such as 12 projects. `labels` name it by language, `value` is as
    it is to be read; `place` orders them. A later push takes the place of all former facts."""

    KEY: ClassVar = ("account_id", "customer_id", "name")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    customer_id: str
    name: str
    labels: dict[str, Any]
    value: str
    place: int
    shown: bool = True
    pushed_at: datetime


def usage_rows(facts: Iterable[UsageFact], language: str) -> list[tuple[str, str]]:
    """Facts in their order, each with its name in a language."""
    spoken = written(language) or "en"
    in_order = sorted(facts, key=lambda fact: (fact.place, fact.name))
    return [(said(fact.labels, spoken) or fact.name, fact.value) for fact in in_order]
