"""Reading cases: lists, and one case with everything that was done and decided about it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.actions import CASE_ACTIONS, HELD_ACTIONS, Action, ActionState
from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, Case, CaseEvent, CaseState, Waits
from app.domain.messages import LinkEvent, Message, PaymentLink
from app.ports.store import Transaction
from app.ports.world import World

# What a timeline line may not show: who is held out stays secret, or it would change behaviour.
SECRET_INPUTS = frozenset({"arm", "assignment", "holdout", "holdout_percent", "experiment"})


class UnknownCase(LookupError):
    """The merchant has no such case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseQuery:
    """Which cases to list; None asks for any. `opened_to` is not part of the span. `due_from` and
    `due_to` are minor units owed now, both within the span; they mean little without `currency`."""

    states: Collection[CaseState] = ()
    waits: Collection[Waits] = ()
    customer: str | None = None
    subscription: str | None = None
    invoice: str | None = None
    currency: str | None = None
    opened_from: datetime | None = None
    opened_to: datetime | None = None
    declines: Collection[DeclineKind] = ()
    account: str | None = None
    due_from: int | None = None
    due_to: int | None = None

    def where(self) -> dict[str, Any]:
        """The query in the store's terms."""
        before = self.opened_to - timedelta(microseconds=1) if self.opened_to else None
        terms: dict[str, Any] = {
            "state": tuple(self.states) or None,
            "waits": tuple(self.waits) or None,
            "customer_id": self.customer,
            "subscription_id": self.subscription,
            "invoice_id": self.invoice,
            "currency": self.currency,
            "opened_at__gte": self.opened_from,
            "opened_at__lte": before,
            "decline_kind": tuple(self.declines) or None,
            "account_id": self.account,
            "due_minor__gte": self.due_from,
            "due_minor__lte": self.due_to,
        }
        return {name: value for name, value in terms.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSteps:
    """How far a customer went with one link; each instant the first of its kind, None if never."""

    link: PaymentLink
    sent_at: datetime | None
    opened_at: datetime | None
    went_to_provider_at: datetime | None
    paid_at: datetime | None

    @classmethod
    def of(cls, link: PaymentLink, events: Collection[LinkEvent]) -> "LinkSteps":
        """The steps of a link. Whoever went on had opened it, however it was opened."""
        first: dict[str, datetime] = {}
        for event in sorted(events, key=lambda event: event.at):
            if event.link_id == link.link_id:
                first.setdefault(event.kind, event.at)
        return cls(
            link=link,
            sent_at=first.get("sent"),
            opened_at=first.get("opened") or first.get("went_to_provider"),
            went_to_provider_at=first.get("went_to_provider"),
            paid_at=first.get("paid"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A case with all that belongs to it, each list oldest first. `next_action` is what the
    database holds to be done next; None where nothing is, as on hold without a last day."""

    case: Case
    attempts: tuple[Attempt, ...]
    messages: tuple[Message, ...]
    timeline: tuple[CaseEvent, ...]
    next_action: Action | None
    links: tuple[LinkSteps, ...] = ()


async def find(
    world: World,
    merchant_id: str,
    query: CaseQuery,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Case]:
    """Cases of a merchant, the latest opened first; `after` is (opened_at, case_id) of the last
    one seen."""
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            Case,
            where={"merchant_id": merchant_id, **query.where()},
            order=("-opened_at", "-case_id"),
            after=after,
            limit=limit,
        )


async def show(world: World, merchant_id: str, case_id: str) -> CaseFile | None:
    """One case of this merchant; None for one of another, as for one that does not exist."""
    of_case = {"merchant_id": merchant_id, "case_id": case_id}
    async with world.store.transaction(merchant_id) as tx:
        cases = await tx.load(Case, [(case_id,)])
        if not cases or cases[0].merchant_id != merchant_id:
            return None
        attempts = await tx.find(Attempt, where=of_case, order=("number",))
        messages = await tx.find(Message, where=of_case, order=("due_at", "message_id"))
        timeline = await tx.find(CaseEvent, where=of_case, order=("at", "seq"))
        kinds = tuple(HELD_ACTIONS if cases[0].waits is Waits.ON_HOLD else CASE_ACTIONS)
        pending = {**of_case, "state": ActionState.PENDING, "kind": kinds}
        actions = await tx.find(Action, where=pending, order=("due_at", "key"), limit=1)
        links = await _links(tx, cases[0])
    return CaseFile(
        case=cases[0],
        attempts=tuple(attempts),
        messages=tuple(messages),
        timeline=tuple(timeline),
        next_action=actions[0] if actions else None,
        links=links,
    )


async def _links(tx: Transaction, case: Case) -> tuple[LinkSteps, ...]:
    where = {"account_id": case.account_id, "case_id": case.case_id}
    links = await tx.find(PaymentLink, where=where, order=("created_at", "link_id"))
    if not links:
        return ()
    events = await tx.find(LinkEvent, where={"link_id": [link.link_id for link in links]})
    return tuple(LinkSteps.of(link, events) for link in links)


def shown_inputs(data: dict[str, Any] | None) -> dict[str, Any]:
    """The inputs of a decision as a merchant may see them: without the experiment's arm."""
    return {name: value for name, value in (data or {}).items() if name not in SECRET_INPUTS}
