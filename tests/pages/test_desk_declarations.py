"""Declarations at the desk: what waits is shown, carried out by a person's word, or put away."""

from typing import Any

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.declarations import Declaration, DeclarationState
from app.domain.merchants import Scope
from app.domain.mirror import Subscription
from app.domain.operations import Alert, AuditEntry
from app.domain.records import R
from tests.pages.desk import Front, a_desk
from tests.pages.said import DECLARED as ID
from tests.pages.said import a_declaration
from tests.pages.town import NOW, WHOSE

pytestmark = pytest.mark.anyio
DESK = "/operator/declarations"


def an_alert() -> Alert:
    return Alert(
        alert_id="alr_1",
        merchant_id="mer_1",
        kind="declaration",
        subject=ID,
        text="a declaration waits",
        at=NOW,
    )


CONTRACT = Subscription(**WHOSE, subscription_id="sub_9", customer_id="cus_9", status="active")


async def kept(desk: Front, kind: type[R], /, **where: Any) -> list[R]:
    async with desk.world.store.transaction("mer_1") as tx:
        return await tx.find(kind, where={"merchant_id": "mer_1"} | where)


async def test_what_waits_is_shown_with_why_and_with_the_forms_to_link_to() -> None:
    desk = await a_desk(a_declaration(), an_alert())

    page = await desk.browser.get(DESK)

    assert page.status_code == 200
    assert "Ada &lt;b&gt;Brandt&lt;/b&gt;" in page.text
    assert "It waits because no contract of this reference" in page.text
    assert "/f/mer_1/kuendigen" in page.text


async def test_a_person_names_the_contract_and_the_workers_carry_it_out() -> None:
    desk = await a_desk(a_declaration(), an_alert(), CONTRACT)

    done = await desk.presses(f"{DESK}/{ID}/carry-out", text="sub_9")

    (row,) = await kept(desk, Declaration)
    (action,) = await kept(desk, Action, kind=ActionKind.DECLARE)
    (alert,) = await kept(desk, Alert)
    assert done.status_code == 303
    assert (row.state, row.subscription_id) == (DeclarationState.RECEIVED, "sub_9")
    assert row.wished_for is None
    assert (action.subject, action.customer_id) == (ID, "cus_9")
    assert alert.resolved_at is not None
    lines = [line.action for line in await kept(desk, AuditEntry)]
    assert "declaration.carried_out" in lines


async def test_a_person_puts_it_away_with_a_note_and_once() -> None:
    desk = await a_desk(a_declaration(), an_alert())

    first = await desk.presses(f"{DESK}/{ID}/put-away", text="She has no contract; wrote to her.")
    again = await desk.presses(f"{DESK}/{ID}/put-away", text="again")

    (row,) = await kept(desk, Declaration)
    assert (first.status_code, again.status_code) == (303, 409)
    assert (row.state, row.note) == (
        DeclarationState.SETTLED,
        "She has no contract; wrote to her.",
    )
    assert row.settled_by is not None


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        (f"{ID}/carry-out", "sub_of_nobody", 409),
        (f"{ID}/carry-out", "  ", 409),
        (f"{ID}/explode", "x", 404),
        ("dec_0/put-away", "x", 404),
    ],
)
async def test_what_cannot_be_done_changes_nothing(path: str, text: str, status: int) -> None:
    desk = await a_desk(a_declaration())

    answer = await desk.presses(f"{DESK}/{path}", text=text)

    (row,) = await kept(desk, Declaration)
    assert answer.status_code == status
    assert row == a_declaration()


async def test_who_may_only_read_has_no_deeds() -> None:
    desk = await a_desk(a_declaration(), scopes=(Scope.CASES_READ, Scope.SESSIONS_READ))

    page = await desk.browser.get(DESK)
    pressed = await desk.presses(f"{DESK}/{ID}/put-away", text="x")

    assert "Put it away" not in page.text
    assert pressed.status_code == 403
