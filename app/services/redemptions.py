"""Accepting an offer: judged live, its money told before, and claimed once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.cancellations import CancelRequest, RequestState
from app.domain.changes import PlanItems, read_change
from app.domain.evidence import Evidence, EvidenceKind
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer, PaymentMethod, Subscription
from app.domain.network_rows import DIRECT_DEBITS
from app.domain.offers import Offer, judge, steps
from app.domain.offers.common import COOL_DOWN_DAYS, Eligible, Facts, Past, Refused, Why
from app.domain.offers.quotes import Quote, imagined, quoted
from app.domain.records import Book
from app.domain.redemptions import (
    AT_WORK,
    FOR_A_REPORT,
    Redemption,
    RedemptionState,
    RedemptionStep,
    begun,
    look_action,
    redemption_id,
)
from app.domain.standing import Price, Standing
from app.ports.store import Transaction
from app.ports.world import World
from app.services.books import write
from app.services.redeeming import carry_on

__all__ = ["About", "Look", "OfferRefused", "carry_on", "claim", "facts_of", "look", "preview"]


QUOTE_HOLDS = timedelta(hours=1)
# Nobody is nagged: what was turned down is not offered again for as long as a cool-down lasts.
NOT_AGAIN = timedelta(days=COOL_DOWN_DAYS)


class OfferRefused(Exception):
    """The offer is not made (any more); `why` says it in a word."""

    def __init__(self, why: Why) -> None:
        super().__init__(f"the offer cannot be accepted: {why}")
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was read live for a session: the subscription, and the prices its offers name."""

    standing: Standing
    prices: Mapping[str, Price]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a session knows beside: the reason given, what the subscription is to and since when it
    runs, what one customer may cost in all, by currency, and what the quote that was shown is
    `dated`."""

    reason: str | None = None
    plan: str | None = None
    interval: str | None = None
    started_at: datetime | None = None
    lifetime_minor: Mapping[str, int] | None = None
    dated: datetime | None = None


NOTHING = About()


async def look(
    world: World, account: ProviderAccount, subscription: str, offers: Iterable[Offer]
) -> Look:
    """Read what these offers are judged by. Raises what `Payments` raises."""
    standing = await world.payments.read_standing(account, subscription)
    named = tuple(sorted({price for offer in offers for price in offer.prices_named}))
    prices = await world.payments.read_prices(account, named) if named else {}
    return Look(standing=standing, prices=prices)


async def facts_of(
    tx: Transaction,
    account: ProviderAccount,
    seen: Look,
    about: About = NOTHING,
    *,
    now: datetime,
    budgeted: Iterable[str] = (),
) -> Facts:
    """The facts that offers are judged by. `budgeted` are the ids of offers whose spending of this
    month counts."""
    mine = await _accepted_by(tx, account, seen.standing)
    at_work = any(_is_at_work(row, seen.standing) for row in mine)
    return Facts(
        now=now,
        standing=seen.standing,
        started_at=about.started_at,
        reason=about.reason,
        under_way=at_work or await _is_leaving(tx, account, seen.standing),
        declined=await _declined(tx, account, seen.standing, now),
        past=tuple(_past(row) for row in mine if row.state is not RedemptionState.FAILED),
        spent_minor=await _spent(tx, account.merchant_id, tuple(budgeted), now),
        lifetime_minor=about.lifetime_minor,
        prices=seen.prices,
        dated=_dated(about.dated, seen.standing, now),
        planned=await _planned(tx, account, seen.standing),
        by_debit=await _is_by_debit(tx, account, seen.standing),
    )


async def _is_by_debit(tx: Transaction, account: ProviderAccount, standing: Standing) -> bool:
    """Whether the next charge goes to a bank account, by the subscription's own default, else its
    customer's."""
    mine = [(account.account_id, standing.subscription_id)]
    for row in await tx.load(Subscription, mine):
        owners = await tx.load(Customer, [(account.account_id, row.customer_id)])
        named = row.default_method_id or next((one.default_method_id for one in owners), None)
        found = await tx.load(PaymentMethod, [(account.account_id, named)]) if named else []
        return any(one.type in DIRECT_DEBITS for one in found)
    return False


async def _planned(
    tx: Transaction, account: ProviderAccount, standing: Standing
) -> PlanItems | None:
    """What an earlier offer planned in the schedule that is attached: it bears our mark."""
    if standing.schedule is None or standing.schedule_mark is None:
        return None
    where = {"merchant_id": account.merchant_id, "redemption_id": standing.schedule_mark}
    changes = (read_change(row.change) for row in await tx.find(RedemptionStep, where=where))
    return next((change for change in changes if isinstance(change, PlanItems)), None)


async def _declined(
    tx: Transaction, account: ProviderAccount, standing: Standing, now: datetime
) -> frozenset[str]:
    where = {
        "subscription_id": standing.subscription_id,
        "account_id": account.account_id,
        "kind": EvidenceKind.OFFER_DECLINED,
        "at__gte": now - NOT_AGAIN,
    }
    found = await tx.find(Evidence, where=where)
    return frozenset(str((line.data or {}).get("step")) for line in found)


def _is_at_work(row: Redemption, standing: Standing) -> bool:
    same = row.subscription_id == standing.subscription_id
    return same and row.state in AT_WORK and not row.awaits_report


async def _is_leaving(tx: Transaction, account: ProviderAccount, standing: Standing) -> bool:
    """Whether they have cancelled elsewhere, and the provider is yet to be told: an end that it
    does not show is not taken back."""
    where = {"account_id": account.account_id, "subscription_id": standing.subscription_id}
    return bool(await tx.find(CancelRequest, where=where | {"state": RequestState.ASKED}))


def _dated(told: datetime | None, standing: Standing, now: datetime) -> datetime:
    """The instant of the quote that was shown, while it is fresh; of a period that is over there is
    no rest to be computed."""
    begun = max((item.period_start or now - QUOTE_HOLDS for item in standing.items), default=now)
    fresh = told is not None and max(now - QUOTE_HOLDS, begun) <= told <= now
    return told if told and fresh else now.replace(microsecond=0)


async def preview(world: World, account: ProviderAccount, offer: Offer, facts: Facts) -> Quote:
    """What accepting it would do, in money and dates: what the provider itself sees coming next
    and from then on. Changes nothing. Raises `OfferRefused`, and what `Payments` raises."""
    judged = _allowed(offer, facts)
    if not offer.gives:
        return Quote(kind=offer.kind, currency=judged.currency)
    first, later = imagined(offer, facts)
    next_, regular = [
        await world.payments.preview_change(
            account, facts.standing, one.changes, discounts=one.discounts
        )
        for one in (first, later)
    ]
    return quoted(offer, facts, judged, next_, regular)


def _allowed(offer: Offer, facts: Facts) -> Eligible:
    judged = judge(offer, facts)
    if isinstance(judged, Refused):
        raise OfferRefused(judged.why)
    return judged


async def claim(
    tx: Transaction,
    account: ProviderAccount,
    session_id: str,
    offer: Offer,
    seen: Look,
    about: About = NOTHING,
    *,
    now: datetime,
    terms: Mapping[str, Any],
) -> Redemption:
    """Accept an offer for a session: commits its steps and the look that finishes them.

    A session redeems once: whoever asks again, with this offer or another, is given what the
    session has redeemed. `terms` is the offer's document. Raises `OfferRefused`, and `Conflict`
    where another tab was at it at this very moment: the use case is then repeated as a whole.
    """
    standing, merchant = seen.standing, account.merchant_id
    await tx.lock(account.account_id, [standing.customer_id or standing.subscription_id])
    known = await tx.find(Redemption, where={"merchant_id": merchant, "session_id": session_id})
    if known:
        return known[0]
    budgeted = [offer.offer_id] if offer.limits.monthly_minor else []
    # two customers must not spend the last of it both
    await tx.lock(merchant, [f"offer:{name}" for name in budgeted])
    facts = await facts_of(tx, account, seen, about, now=now, budgeted=budgeted)
    judged = _allowed(offer, facts)
    redemption = Redemption(
        redemption_id=redemption_id(session_id, merchant, now),
        merchant_id=merchant,
        account_id=account.account_id,
        customer_id=standing.customer_id,
        subscription_id=standing.subscription_id,
        session_id=session_id,
        offer_id=offer.offer_id,
        kind=offer.kind,
        terms=dict(terms),
        cost_minor=judged.cost_minor,
        currency=judged.currency,
        claimed_at=now,
        resumes_at=offer.resumes_at(facts),
        given_reason=about.reason,
        plan=about.plan,
        interval=about.interval,
    )
    if not offer.gives:
        redemption = redemption.moved(RedemptionState.WAITING, at=now, reason=FOR_A_REPORT)
    await _commit(tx, redemption, offer, facts)
    return redemption


async def _commit(tx: Transaction, redemption: Redemption, offer: Offer, facts: Facts) -> None:
    book = Book()
    book.add(redemption)
    for step in begun(redemption, steps(offer, facts, redemption.redemption_id)):
        book.add(step)
    book.add(look_action(redemption, facts.now))
    await write(tx, book, at=facts.now)


async def _accepted_by(
    tx: Transaction, account: ProviderAccount, standing: Standing
) -> list[Redemption]:
    by = {"subscription_id": standing.subscription_id}
    if standing.customer_id:
        by = {"customer_id": standing.customer_id}
    return await tx.find(Redemption, where={"account_id": account.account_id, **by})


def _past(row: Redemption) -> Past:
    return Past(
        offer_id=row.offer_id,
        kind=row.kind,
        at=row.claimed_at,
        cost_minor=row.cost_minor,
        currency=row.currency,
    )


async def _spent(
    tx: Transaction, merchant_id: str, offers: tuple[str, ...], now: datetime
) -> dict[tuple[str, str], int]:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    where = {"merchant_id": merchant_id, "offer_id": offers, "claimed_at__gte": month}
    spent: dict[tuple[str, str], int] = {}
    for row in await tx.find(Redemption, where=where) if offers else []:
        if row.state is not RedemptionState.FAILED:
            key = (row.offer_id, row.currency)
            spent[key] = spent.get(key, 0) + row.cost_minor
    return spent
