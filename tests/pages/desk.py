"""A desk for tests: one merchant with cases in every state, its key, and somebody signed in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import httpx
from fastapi import FastAPI

from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.declines import DeclineKind
from app.domain.dunning import (
    Attempt,
    AttemptState,
    CardUse,
    Case,
    CaseEvent,
    CaseState,
    Trigger,
    Waits,
)
from app.domain.ids import derive_id
from app.domain.merchants import Scope
from app.domain.messages import LinkEvent, Message, MessageState, PaymentLink
from app.domain.mirror import Customer, PaymentMethod
from app.domain.operations import Alert, InboxEvent, InboxState
from app.domain.policies import Policy
from app.pages.operator.commands import COMMANDS, Command, CommandRefused, Field, Form
from app.pages.operator.router import operator_router
from app.ports.world import World
from app.sealing import AesGcmSealer
from app.services.api_keys import Caller, create_key
from app.storage.memory import MemoryStore
from tests.mail.letters import RENDERER
from tests.pages.ledger import ToldFigures
from tests.pages.town import NOW, WHOSE, At, Quiet, Town, a_town
from tests.pages.town import a_case as the_case

DAY = timedelta(days=1)
UNUSED = ("payments", "webhooks", "mailer", "mail_reports", "tokens", "outgoing", "invariants")
OVER = "case_" + "0" * 32  # the town's own case, which is over
CASES = "/operator/cases"
TOKEN = re.compile(r'name="token" value="([^"]+)"')
PEOPLE = (
    ("Ada Brandt", "ada@example.com", "Team", 4900, "eur"),
    ("Bruno Keller", "bruno@example.com", "Starter", 1900, "eur"),
    ("Chiyo Tanaka", "chiyo@example.com", "Scale", 22800, "jpy"),
    ("Dara Ncube", "dara@example.com", "Team", 4900, "usd"),
    ("Elif Aydin", "elif@example.com", "Scale", 13900, "eur"),
    ("Finn Olsen", "finn@example.com", "Starter", 1900, "usd"),
    ("Grace Okafor", "grace@example.com", "Team", 4900, "usd"),
    ("Hugo Lefèvre", "hugo@example.com", "Starter", 1700, "eur"),
)


@dataclass
class Front:
    """The desk over HTTP. `browser` is signed in with `secret`."""

    world: World
    browser: httpx.AsyncClient
    secret: str
    case: Case
    app: FastAPI
    clock: At

    async def presses(self, path: str, **form: str) -> httpx.Response:
        """A form of one of our pages, with the token that stands on them."""
        page = await self.browser.get("/operator/cases")
        return await self.browser.post(path, data={"token": TOKEN.findall(page.text)[0], **form})

    async def key(self, *scopes: Scope) -> str:
        """A further key of the merchant."""
        _, secret = await create_key(
            self.world, merchant_id="mer_1", name="desk", scopes=scopes, actor="test"
        )
        return secret

    async def somebody(self, secret: str = "") -> httpx.AsyncClient:
        """Another browser, signed in where a key is given."""
        client = a_browser(self.app)
        if secret:
            assert (await signs_in(client, secret)).status_code == 303
        return client


async def a_desk(
    *rows: Any,
    public_url: str = "http://localhost",
    scopes: Sequence[Scope] = tuple(Scope),
    commands: Sequence[Command] = COMMANDS,
    store: MemoryStore | None = None,
    time: At | None = None,
) -> Front:
    """A desk of a merchant with these rows."""
    over: dict[str, Any] = {"case_id": OVER, "invoice_id": "in_over", "state": CaseState.STOPPED}
    town = await a_town(store=store, case=over, link={"case_id": OVER})
    clock = time or At()
    world = _world(town, public_url, clock)
    for row in rows:
        async with world.store.transaction("mer_1") as tx:
            await tx.save([row])
    town.app.state.figures = ToldFigures()
    town.app.include_router(operator_router(world, commands=commands))
    _, secret = await create_key(
        world, merchant_id="mer_1", name="desk", scopes=tuple(scopes), actor="test"
    )
    client = a_browser(town.app, public_url)
    await signs_in(client, secret)
    first = next((row for row in rows if isinstance(row, Case)), the_case())
    return Front(world, client, secret, first, town.app, clock)


def _world(town: Town, public_url: str, clock: At) -> World:
    unused = dict.fromkeys(UNUSED)
    return World(
        store=town.store,
        clock=clock,
        renderer=RENDERER,
        sealer=AesGcmSealer(["a master key of the tests, long enough"]),
        policy=Policy(),
        public_url=public_url,
        wake=Quiet(),
        **cast("Any", unused),
    )


def a_browser(app: FastAPI, url: str = "http://localhost") -> httpx.AsyncClient:
    """A browser that has been nowhere yet."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url)


async def signs_in(client: httpx.AsyncClient, secret: str, **form: str) -> httpx.Response:
    """Through the door, as a person goes."""
    door = await client.get("/operator/sign-in")
    token = TOKEN.findall(door.text)[0]
    return await client.post("/operator/sign-in", data={"token": token, "key": secret, **form})


def a_case(number: int = 1, **told: Any) -> Case:
    """A case of the person of this number, from 1."""
    _, _, plan, amount, currency = PEOPLE[(number - 1) % len(PEOPLE)]
    opened = told.pop("opened_at", NOW - timedelta(days=number, hours=number))
    made = replace(
        the_case(),
        case_id=derive_id("case", opened, "desk", number),
        invoice_id=f"in_{number}",
        customer_id=f"cus_{number}",
        plan=plan,
        currency=currency,
        amount_minor=amount,
        due_minor=amount,
        opened_at=opened,
        window_ends_at=opened + 28 * DAY,
        policy="default@1",
    )
    return replace(made, **told)


def a_customer(number: int = 1, **told: Any) -> Customer:
    """The person of this number."""
    name, mail, *_ = PEOPLE[(number - 1) % len(PEOPLE)]
    given: dict[str, Any] = {"name": name, "email": mail}
    return Customer(**WHOSE, customer_id=f"cus_{number}", **(given | told))


def everything() -> list[Any]:
    """A desk in the middle of its work: cases of every kind, one of them with a long story."""
    rows: list[Any] = [a_customer(number) for number in range(1, 9)]
    retrying = {"waits": Waits.RETRYING, "failures": 2, "attempts_used": 1}
    asks = {"waits": Waits.CUSTOMER, "next_attempt_at": None}
    closed = {"waits": None, "next_attempt_at": None, "closed_at": NOW - DAY}
    case = a_case(1, **retrying, next_attempt_at=NOW + 3 * DAY)
    rows += [
        case,
        a_case(2, **asks, decline_kind=DeclineKind.CUSTOMER_AUTHENTICATE),
        a_case(3, **asks, decline_kind=DeclineKind.NEW_METHOD),
        a_case(4, waits=Waits.ON_HOLD, next_attempt_at=None),
        a_case(5, **retrying, next_attempt_at=NOW + DAY),
        a_case(6, state=CaseState.PARKED, reason="retry failed: KeyError: 'price'", **closed),
        a_case(7, state=CaseState.RECOVERED, due_minor=0, cause="holdfast_retry", **closed),
        a_case(8, state=CaseState.EXHAUSTED, reason="the window is over", **closed),
    ]
    return [*rows, *a_story(case), *trouble()]


def a_story(case: Case) -> list[Any]:
    """What belongs to a case that was refused twice and written to once."""
    method = PaymentMethod(
        **WHOSE,
        method_id="pm_1",
        customer_id=case.customer_id,
        type="card",
        brand="visa",
        last4="4242",
        exp_month=12,
        exp_year=2029,
    )
    retry = action_for(
        ActionKind.RETRY,
        subject=case.case_id,
        case_id=case.case_id,
        **WHOSE,
        due_at=case.next_attempt_at or NOW,
    )
    uses = [_use(case, number) for number in (1, 2)]
    attempts = [an_attempt(case, number) for number in (1, 2)]
    return [
        a_customer(1, default_method_id="pm_1"),
        method,
        retry,
        *uses,
        *attempts,
        *_lines(case),
        *_letters(case),
    ]


def _use(case: Case, number: int) -> CardUse:
    at = case.opened_at + timedelta(hours=number)
    return CardUse(**WHOSE, use_ref=f"ch_{number}", card_key="pm_1", brand="visa", at=at)


def an_attempt(case: Case, number: int) -> Attempt:
    """A refused one."""
    at = case.opened_at + timedelta(hours=number * 4 - 4)
    return Attempt(
        **WHOSE,
        attempt_id=derive_id("attempt", at, case.case_id, number),
        case_id=case.case_id,
        number=number,
        trigger=Trigger.PROVIDER if number == 1 else Trigger.HOLDFAST,
        state=AttemptState.DECLINED,
        currency=case.currency,
        amount_minor=case.amount_minor,
        intent_at=at,
        decline_kind=DeclineKind.INSUFFICIENT_FUNDS,
        decline={"code": "insufficient_funds", "network_decline_code": "51"},
    )


LINES: tuple[tuple[int, str, str, dict[str, Any] | None], ...] = (
    (0, "opened", "an automatic payment of 4900 eur was refused", {"policy": "default@1"}),
    (1, "decision", ("next attempt at 2026-11-09T12:00+00:00: waits for Friday: short of funds, "
     "payday; 0 of 8 attempts used"), {"decline": "insufficient_funds", "arm": "holdout"}),
    (4, "declined", "attempt 2 by holdfast was refused: insufficient_funds",
     {"kind": "insufficient_funds", "code": "insufficient_funds", "brand": "visa"}),
    (5, "message", "letter failed: sent", {"template": "payment_failed"}),
    (6, "decision", ("next attempt at 2026-11-13T09:00+00:00: waits for Friday: short of funds, "
     "payday; 1 of 8 attempts used"),
     {"decline": "insufficient_funds", "failures": 2, "attempts_used": 1, "policy": "default@1",
      "time_zone": "Europe/Berlin", "rail": "card", "uses_of_this_card": 2}),
)  # fmt: skip


def _lines(case: Case) -> list[CaseEvent]:
    return [
        CaseEvent(
            merchant_id=case.merchant_id,
            event_id=derive_id("case_event", case.opened_at, case.case_id, hours),
            case_id=case.case_id,
            at=case.opened_at + timedelta(hours=hours),
            type=kind,
            text=text,
            data=data,
        )
        for hours, kind, text, data in LINES
    ]


def _letters(case: Case) -> list[Any]:
    sent = a_letter(case, "failed", "payment_failed", state=MessageState.SENT, sent_at=NOW - DAY)
    link = PaymentLink(
        **WHOSE,
        link_id=derive_id("link", NOW, case.case_id),
        token_hash="0" * 64,
        customer_id=case.customer_id,
        case_id=case.case_id,
        message_id=sent.message_id,
        created_at=NOW - DAY,
        expires_at=NOW + 50 * DAY,
    )
    followed = [
        LinkEvent(
            event_id=derive_id("link_event", NOW, kind),
            merchant_id=case.merchant_id,
            link_id=link.link_id,
            kind=kind,
            at=NOW - DAY,
        )
        for kind in ("sent", "went_to_provider")
    ]
    planned = a_letter(case, "reminder-2", "payment_reminder", due_at=NOW + 5 * DAY)
    return [sent, planned, link, *followed]


def a_letter(case: Case, step: str, template: str, **told: Any) -> Message:
    """A letter of a case; planned for now unless told otherwise."""
    given: dict[str, Any] = {"due_at": NOW, "recipient": "ada@example.com"}
    return Message(
        **WHOSE,
        message_id=derive_id("message", NOW, case.case_id, step),
        case_id=case.case_id,
        customer_id=case.customer_id,
        step=step,
        template=template,
        **(given | told),
    )


def trouble() -> list[Any]:
    """What waits for a person: alerts, an action given up, an event set aside."""
    parked: Action = replace(
        action_for(ActionKind.READ, subject="sub_6", **WHOSE, due_at=NOW - DAY),
        state=ActionState.PARKED,
        note="KeyError: 'price'",
    )
    return [
        an_alert("template", "final_notice", "final_notice in de: no phrase 'end.pause'"),
        an_alert("action_parked", "read:sub_6:0", "KeyError: 'price'"),
        parked,
        InboxEvent(
            **WHOSE,
            event_id="evt_parked",
            type="invoice.payment_failed",
            body="{}",
            state=InboxState.PARKED,
            reason="no amount in the invoice",
            created_at=NOW - DAY,
            received_at=NOW - DAY,
        ),
    ]


def an_alert(kind: str, subject: str, text: str, **told: Any) -> Alert:
    """An alert nobody has resolved."""
    return Alert(
        alert_id=derive_id("alert", NOW, kind, subject),
        merchant_id="mer_1",
        kind=kind,
        subject=subject,
        text=text,
        at=NOW - timedelta(hours=5),
        **told,
    )


def heading(page: httpx.Response) -> str:
    """What a page is about."""
    return found(r"<h1[^>]*>([^<]*)</h1>", page)


def found(pattern: str, page: httpx.Response) -> str:
    """The first that fits, as it stands in an attribute."""
    return str(re.findall(pattern, page.text)[0]).replace("&amp;", "&")


def a_command(told: list[Any], *, refuses: str = "") -> Command:
    """A row of the table that only writes down what it was given."""

    async def run(world: World, caller: Caller, case_id: str, form: Form) -> None:
        if refuses:
            raise CommandRefused(refuses)
        told.append((caller.merchant_id, case_id, dict(form)))

    return Command(
        name="try",
        label="Try it",
        says="It will be tried.",
        done="It was tried.",
        offered=lambda case: case.state is CaseState.ACTIVE,
        run=run,
        fields=(Field(name="note", label="Why", needed=False),),
    )
