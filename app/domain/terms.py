"""What every decision about one merchant's customers looks at."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.calendar import zone
from app.domain.choosing import Failing, Shelf, choose
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import Case, CaseEvent
from app.domain.ids import derive_id
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Customer
from app.domain.policies import Policy
from app.domain.records import Book, quick

make_line = quick(CaseEvent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The merchant, the account, its policies, and the business instant.

    `policy` is what a new case gets where no published policy of the shelf applies.
    """

    merchant: Merchant
    account: ProviderAccount
    policy: Policy
    shelf: Shelf = field(default_factory=Shelf)
    now: datetime

    def policy_for(self, facts: Failing) -> Policy:
        """The policy of a new case."""
        return choose(self.shelf.published, facts, otherwise=self.policy)

    def policy_of(self, case: Case) -> Policy:
        """The policy a case keeps. One that was opened before versions were kept has the
        deployment's own."""
        return self.shelf.kept.get(case.policy, self.policy)

    def zone_of(self, customer: Customer | None) -> ZoneInfo:
        """The customer's time zone, else the merchant's."""
        return zone((customer and customer.time_zone) or self.merchant.time_zone)


def note(
    book: Book, case: Case, at: datetime, what: str, text: str, data: dict[str, Any] | None = None
) -> None:
    """Write a line of the case's timeline. The same line at the same instant is one line."""
    book.add(
        make_line(
            event_id=derive_id("case_event", at, case.case_id, what, text),
            merchant_id=case.merchant_id,
            case_id=case.case_id,
            at=at,
            type=what,
            text=text,
            data=data,
        )
    )


def decline_from(stored: dict[str, Any] | None) -> Decline:
    """A decline as stored in JSON; `UNKNOWN` where nothing is known."""
    if not stored:
        return Decline(kind=DeclineKind.UNKNOWN)
    return Decline(**{**stored, "kind": DeclineKind(stored["kind"])})


def decline_json(decline: Decline) -> dict[str, Any]:
    """A decline for storage: only what is known."""
    fields = {name: getattr(decline, name) for name in Decline.__slots__}
    return {name: value for name, value in fields.items() if value not in (None, False)}


def with_decline(case: Case, decline: Decline) -> Case:
    """The case with its latest refusal."""
    return replace(case, decline_kind=decline.kind, decline=decline_json(decline))
