"""The policy document: what a merchant wants done about a failed payment. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class Strategy(StrEnum):
    """How retries are timed."""

    RULES = "rules"
    FIXED = "fixed"


class MessageClass(StrEnum):
    """Which refusals a message row is for."""

    ANY = "any"
    CARD = "card"
    SOFT = "soft"


class InvalidPolicy(ValueError):
    """A policy document that cannot be used; says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Retries. `days` are offsets from the first failure, for the strategy `fixed` only."""

    strategy: Strategy = Strategy.RULES
    window_days: int = 28
    max_attempts: int = 8
    min_spacing_hours: int = 20
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """One row of the message table: `step` is its name, unique in the table.

    `day` counts from the first failure; `before_end` (days) counts back from the end instead;
    `on` names an event (`recovered`, `ended`) instead of a day. `on_failure` sends earlier: at
    the n-th failure.
    """

    step: str
    template: str
    for_class: MessageClass = MessageClass.ANY
    day: int | None = None
    on_failure: int | None = None
    before_end: int | None = None
    on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPolicy:
    """What happens at the end: to the subscription and to the invoice."""

    subscription: str = "cancel_now"
    invoice: str = "uncollectible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy version. A case keeps the one it began with (`name@version`).

    `materiality_minor` is the least amount worth a letter, by currency; a case below it is
    silent, and a currency that is not named has no such bound.
    """

    name: str = "default"
    version: int = 1
    retry: RetryPolicy = RetryPolicy()
    messages: tuple[MessageRow, ...] = ()
    end: EndPolicy = EndPolicy()
    after_cancel: str = "forgive"
    late_payment: str = "settle_only"
    materiality_minor: Mapping[str, int] = field(default_factory=dict)

    def is_material(self, amount_minor: int, currency: str) -> bool:
        """Whether somebody is written to about such an amount."""
        return amount_minor >= self.materiality_minor.get(currency, 0)

    @property
    def label(self) -> str:
        """What a case stores: `default@1`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A stored policy document; immutable."""

    KEY: ClassVar = ("merchant_id", "name", "version")
    UNIQUE: ClassVar = ()
    merchant_id: str
    name: str
    version: int
    document: dict[str, Any]
