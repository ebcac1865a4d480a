"""What people do while all of it runs: at any time, or aimed at the instant something is due."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.domain.actions import ActionKind
from app.domain.cancellations import Choice
from app.domain.dunning import Case, CaseState, IllegalMove
from app.domain.holds import HoldReason
from app.domain.sessions import CancelSession
from app.ports.payments import ProviderRefused, ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.services import (
    accepting,
    cancel_opening,
    cancel_sessions,
    cancel_telling,
    cancelling,
    case_commands,
    cases,
    payment_links,
    personal_data,
)
from app.services.cancel_sessions import NotAsked, Said
from app.services.exits import UnknownSession
from app.services.redemptions import OfferRefused
from tests.simulation.people import is_theirs
from tests.simulation.stage import DAY_S, Person, Stage

AIMED_AT = frozenset({ActionKind.RETRY, ActionKind.SEND, ActionKind.END, ActionKind.RESOLVE})
AGAIN = (Conflict, StoreUnavailable, ProviderUnavailable)
REFUSALS = (
    IllegalMove,
    OfferRefused,
    UnknownSession,
    NotAsked,
    ProviderRefused,
    cancel_opening.UnknownSubscription,
    cancel_telling.UnknownRequest,
    cases.UnknownCase,
    personal_data.UnknownCustomer,
    payment_links.LinkDead,
)
NO = object()
WAITS_S = 15 * DAY_S  # for a charge to meet


@dataclass
class Actor:
    """One person acting on the stage."""

    stage: Stage
    person: Person
    n: int

    async def asks(self, what: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """A request to our api, again where it fails, as a browser or backend would; `NO` where it
        was refused or never answered."""
        machine = self.stage.machine
        for _ in range(4):
            try:
                done = await self.stage.house.asked(lambda: _answered(work))
            except REFUSALS as refused:
                machine.log("refused", what, repr(refused)[:120])
                return NO
            if done is not None:
                machine.log("asked", what, "and was answered")
                return done[0]
            await asyncio.sleep(20 * machine.draw.random())
        return NO

    def case(self) -> Case | None:
        """The person's newest case."""
        mine = [case for case in self.stage.house.ledger.rows(Case) if self.person.is_of(case)]
        return max(mine, key=lambda case: (case.opened_at, case.case_id), default=None)

    def next_due_s(self) -> float | None:
        """When something is due next about this person."""
        due = [
            action.due_at
            for action in self.stage.house.ledger.due.values()
            if self.person.is_of(action) and action.kind in AIMED_AT
        ]
        return (min(due) - self.stage.machine.now()).total_seconds() if due else None

    def does(self, what: str, **more: Any) -> None:
        """Something at the provider."""
        self.person.estate.bank.acts(self.person.customer, what, **more)

    def orders(self, what: Callable[..., Awaitable[Any]], **told: Any) -> Awaitable[Any]:
        """A command of an operator about the case."""
        case = self.case()
        if case is None:
            return _nothing()
        order = case_commands.Order(
            merchant_id=self.person.estate.merchant_id,
            case_id=case.case_id,
            key=f"order-{self.n}",
            actor="operator",
        )
        work = partial(what, self.stage.house.world, order, **told)
        return self.asks(what.__name__, work)


async def _answered(work: Callable[[], Awaitable[Any]]) -> tuple[Any] | None:
    try:
        return (await work(),)
    except AGAIN:
        return None


async def _nothing() -> None:
    return None


async def pays_hosted(actor: Actor) -> None:
    """On the provider's page of the invoice, with another card."""
    actor.does("pay_hosted_invoice", card={"base": "visa"})


async def enters_card(actor: Actor) -> None:
    """In the provider's portal; it works, or it does not."""
    codes = actor.stage.machine.draw.choice((["approve"], ["do_not_honor"], ["stolen_card"]))
    behaviour = {"kind": "script", "codes": codes}
    actor.does("new_card", card={"base": "visa", "behaviour": behaviour})


async def follows_link(actor: Actor) -> None:
    """The link of the latest letter, to the page it leads to, which is filled in."""
    stage = actor.stage
    to, sender = actor.person.address, actor.person.estate.sender
    mine = [m for m in stage.house.post.mails if (m.recipient, m.sender) == (to, sender)]
    links = [mail.body.text for mail in mine if mail.body.text]
    if not links:
        return
    token = links[-1].rstrip("/").rpartition("/")[2]
    url = await actor.asks("link", lambda: payment_links.go(stage.house.world, token))
    if url is NO:
        return
    await asyncio.sleep(30 * stage.machine.draw.random())
    page = actor.person.estate.bank.world.get(url.rpartition("/")[2])
    is_theirs(stage.rules, actor.person.customer, page, "the page of a letter's link")
    if "/checkout/" in url:
        actor.does("new_card", card={"base": "visa"}, checkout_session=url.rpartition("/")[2])
    else:
        actor.does("pay_hosted_invoice", card={"base": "visa"})


async def leaves(actor: Actor) -> None:
    """Through our cancel flow, at once or at the period's end; sometimes twice at a time."""
    choice = actor.stage.machine.draw.choice((Choice.NOW, Choice.PERIOD_END, None))
    tabs = 2 if actor.stage.machine.happens(0.2) else 1
    await asyncio.gather(*(_leaves(actor, choice, f"word-{actor.n}-{tab}") for tab in range(tabs)))


async def _leaves(actor: Actor, choice: Choice | None, key: str) -> None:
    session = await _session(actor)
    if session is None:
        return
    world = actor.stage.house.world
    await actor.asks("preview", lambda: cancelling.outlook(world, session))
    word = await actor.asks("leave", lambda: cancelling.confirm(world, session, choice, key=key))
    if word is not NO:
        actor.stage.rules.left_by(word)
    if actor.stage.machine.happens(0.3):
        await asyncio.sleep(actor.stage.machine.draw.random() * DAY_S)
        await _comes_back(actor)


async def _session(actor: Actor) -> CancelSession | None:
    world = actor.stage.house.world
    wish = cancel_opening.Wish(
        merchant_id=actor.person.estate.merchant_id,
        account_id=actor.person.estate.account_id,
        customer_id=actor.person.customer,
        subscription_id=actor.person.subscription,
        opened_by="test",
    )
    opened = await actor.asks("open", lambda: cancel_opening.open_session(world, wish))
    if opened is NO:
        return None
    session: CancelSession = opened[0].session
    is_theirs(actor.stage.rules, actor.person.customer, session, "a cancel session")
    return session


async def _comes_back(actor: Actor) -> None:
    world = actor.stage.house.world
    work = partial(
        cancel_telling.uncancel,
        world,
        actor.person.estate.merchant_id,
        actor.person.estate.account_id,
        actor.person.subscription,
        actor="customer",
    )
    await actor.asks("come back", work)


async def accepts(actor: Actor) -> None:
    """Half the price for three months; and perhaps leaves all the same."""
    session = await _takes_half(actor, clicks=2 if actor.stage.machine.happens(0.3) else 1)
    if session is not None and actor.stage.machine.happens(0.3):
        world = actor.stage.house.world
        await actor.asks(
            "leave",
            lambda: cancelling.confirm(world, session, None, key=f"word-{actor.n}"),
        )


async def stays(actor: Actor) -> None:
    """Half the price for three months, with one click, and nothing after it."""
    await _takes_half(actor, clicks=1)


async def _takes_half(actor: Actor, *, clicks: int) -> CancelSession | None:
    session = await _session(actor)
    if session is None:
        return None
    world = actor.stage.house.world
    said = Said(reason="too_expensive")
    seen = await actor.asks("say why", lambda: cancel_sessions.answer(world, session, "why", said))
    if seen is NO or seen.step.id != "half":
        actor.stage.machine.log("not offered anything", actor.person.customer[:10])
        return session
    told: CancelSession = seen.session
    await asyncio.gather(
        *(
            actor.asks(
                "accept", lambda: accepting.accept(world, told, "half", key=f"yes-{actor.n}")
            )
            for _ in range(clicks)
        )
    )
    return session


async def leaves_at_the_portal(actor: Actor) -> None:
    """Without a word to us."""
    actor.does("cancel_subscription", at_period_end=actor.stage.machine.happens(0.5))


async def is_refunded(actor: Actor) -> None:
    actor.does("refund", amount=actor.stage.machine.draw.choice((500, None)))


async def disputes(actor: Actor) -> None:
    """A chargeback, and its end days later."""
    actor.does("dispute")
    await asyncio.sleep(actor.stage.machine.draw.random() * 4 * DAY_S)
    actor.does("close_dispute", won=actor.stage.machine.happens(0.5))


async def is_held(actor: Actor) -> None:
    """An operator lets the case wait, and go on."""
    await actor.orders(
        case_commands.hold, reason=HoldReason.OPERATOR, until=None, text="asked us to wait"
    )
    await asyncio.sleep(actor.stage.machine.draw.random() * 3 * DAY_S)
    actor.n += 1000
    await actor.orders(case_commands.release, reason=None)


async def is_stopped(actor: Actor) -> None:
    await actor.orders(case_commands.stop, text="enough")


async def is_forgiven(actor: Actor) -> None:
    await actor.orders(case_commands.forgive, text=None)


async def is_charged_by_order(actor: Actor) -> None:
    await actor.orders(case_commands.retry)


async def is_closed(actor: Actor) -> None:
    """The merchant voids the invoice or gives it up, at the provider."""
    case, bank = actor.case(), actor.person.estate.bank
    if case is None or case.state is not CaseState.ACTIVE:
        return
    how = actor.stage.machine.draw.choice(("void", "mark_uncollectible"))
    path = f"/v1/invoices/{case.invoice_id}/{how}"
    bank.does(lambda: bank.world.call("POST", path, {}))
    actor.stage.machine.log("merchant", how)


Act = Callable[[Actor], Awaitable[None]]
# Each with how often it is drawn.
ACTS: Mapping[Act, int] = {
    pays_hosted: 4,
    enters_card: 4,
    follows_link: 3,
    leaves: 4,
    accepts: 3,
    stays: 1,
    leaves_at_the_portal: 2,
    is_refunded: 2,
    disputes: 1,
    is_held: 2,
    is_stopped: 1,
    is_forgiven: 1,
    is_charged_by_order: 1,
    is_closed: 1,
}


# What an act is aimed at, with how often: a charge that is intended, one in doubt, the instant
# something is due, or nothing.
AIMS = {"intent": 0.25, "doubt": 0.1, "due": 0.45, "nothing": 0.2}
AT_CHARGES = {"intent": 0.5, "doubt": 0.4, "nothing": 0.1}
AT_LETTERS = {"letter": 0.35, "intent": 0.15, "doubt": 0.1, "due": 0.25, "nothing": 0.15}


async def at_some_time(
    stage: Stage, person: Person, act: Act, at_s: float, n: int, aims: Mapping[str, float]
) -> None:
    """Do it at that time, or at what it is aimed at behind it."""
    draw, actor = stage.machine.draw, Actor(stage, person, n)
    await asyncio.sleep(at_s)
    (aim,) = draw.choices(list(aims), list(aims.values()))
    if aim == "intent":
        await _meets(actor, "intent", (0.0, 0.0, 0.5, 40.0, 900.0))
        act = draw.choice((act, act, is_held)) if act in ACTS else act
    elif aim == "doubt":
        await _meets(actor, "doubt", (0.0, 10.0, 40.0))
        act = draw.choice((act, enters_card)) if act in ACTS else act
    elif aim == "letter":
        await _meets(actor, "letter", (0.0, 0.0, 0.2, 1.0))
    elif aim == "due":
        due = actor.next_due_s()
        if due is not None:
            spread = draw.choice(((-3.0, 3.0), (0.0, 1.0), (-30.0, 1200.0)))
            await asyncio.sleep(max(0.0, due + draw.uniform(*spread)))
    stage.machine.log("acts:", getattr(act, "__name__", "?"), person.customer[:10])
    await act(actor)


async def _meets(actor: Actor, what: str, waits_s: Sequence[float]) -> None:
    """So long after a charge was intended: before the call, between call and answer, or later; or
    so long after it came into doubt."""
    person = actor.person
    moment = actor.stage.rules.next_moment(what, person.estate.account_id, person.customer)
    with suppress(TimeoutError):
        await asyncio.wait_for(moment.wait(), WAITS_S)
    await asyncio.sleep(actor.stage.machine.draw.choice(waits_s))
