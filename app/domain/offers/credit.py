"""Something on account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from app.domain.changes import GiveCredit, Step
from app.domain.documents import Field
from app.domain.offers.common import MONEY, Facts, Kind, Limits, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit(Kind):
    """An amount by currency, set off against the next invoice."""

    kind: ClassVar = "credit"
    fields: ClassVar = (Field("amount_minor", MONEY, None, "How much, by currency.", needed=True),)
    offer_id: str
    limits: Limits
    amount_minor: Mapping[str, int]

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        amounts = {code: int(minor) for code, minor in terms["amount_minor"].items()}
        return cls(offer_id=offer_id, limits=limits, amount_minor=amounts)

    @classmethod
    def conflict(cls, terms: Mapping[str, Any]) -> str | None:
        """At least one currency."""
        return None if terms["amount_minor"] else "needs an amount in at least one currency"

    def refusal(self, facts: Facts) -> Why | None:
        """There is an amount in this currency, and a customer to give it to."""
        standing = facts.standing
        fits = standing.currency in self.amount_minor and standing.customer_id is not None
        return None if fits else Why.CURRENCY

    def cost_minor(self, facts: Facts) -> int:
        """All of it."""
        return self.amount_minor.get(facts.standing.currency, 0)

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """One credit; its undoing is a debit of its own."""
        currency = facts.standing.currency
        amount = self.cost_minor(facts)
        give = GiveCredit(mark=mark, amount_minor=amount, currency=currency)
        take = GiveCredit(mark=f"{mark}:back", amount_minor=-amount, currency=currency)
        return (Step(change=give, undo=take),)
