"""What a customer has here, as the merchant counts it: shown to whoever is about to leave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

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
