"""`/v1/cases`: filters, pages, the whole file of a case, and nobody else's."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import ActionKind, action_for
from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseEvent, CaseState, Trigger, Waits
from app.domain.ids import derive_id
from app.domain.messages import Message
from tests.api.stage import NOW, Stage, a_case, where_it_is_wrong

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


def an_attempt(case: Case) -> Attempt:
    return Attempt(
        attempt_id=derive_id("attempt", NOW, case.case_id, 1),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        case_id=case.case_id,
        number=1,
        trigger=Trigger.HOLDFAST,
        state=AttemptState.DECLINED,
        currency="usd",
        amount_minor=4900,
        intent_at=NOW,
        decline_kind=DeclineKind.INSUFFICIENT_FUNDS,
        decline={"code": "insufficient_funds", "brand": "visa", "blocked": False},
    )


def a_decision(case: Case) -> CaseEvent:
    return CaseEvent(
        event_id=derive_id("case_event", NOW, case.case_id),
        merchant_id=case.merchant_id,
        case_id=case.case_id,
        at=NOW,
        type="decided",
        text="waits for the 1st: short of funds, payday; 1 of 8 attempts used",
        data={"attempts_used": 1, "arm": "holdout"},
    )


def a_message(case: Case) -> Message:
    return Message(
        message_id=derive_id("message", NOW, case.case_id),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        case_id=case.case_id,
        step="failed-soft",
        template="payment_failed",
        recipient="customer@example.com",
        due_at=NOW,
    )


async def test_a_case_is_shown_with_its_attempts_messages_timeline_and_next_action(
    stage: Stage,
) -> None:
    merchant = await stage.merchant()
    case = a_case(await stage.account(merchant), arm="holdout", amount_minor=4900)
    retry = action_for(
        ActionKind.RETRY,
        subject=case.case_id,
        case_id=case.case_id,
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        due_at=NOW + DAY,
    )
    await stage.holds(merchant, case, an_attempt(case), a_decision(case), a_message(case), retry)

    response = await stage.client.get(
        f"/v1/cases/{case.case_id}", headers=await stage.key(merchant)
    )

    shown = response.json()
    assert (shown["id"], shown["state"], shown["amount_minor"]) == (case.case_id, "active", 4900)
    assert shown["attempts"][0]["decline"]["code"] == "insufficient_funds"
    assert shown["messages"][0]["step"] == "failed-soft"
    assert shown["timeline"][0]["text"].startswith("waits for the 1st")
    assert shown["timeline"][0]["inputs"] == {"attempts_used": 1}
    assert shown["next_action"] == {"kind": "retry", "due_at": "2026-03-03T12:00:00Z", "note": None}
    assert "holdout" not in response.text


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        pytest.param({}, ["in_3", "in_2", "in_1"], id="the latest first"),
        pytest.param({"state": "parked"}, ["in_2"], id="state"),
        pytest.param({"state": ["parked", "active"]}, ["in_3", "in_2", "in_1"], id="any state"),
        pytest.param({"waits": "waiting_for_customer"}, ["in_3"], id="waits"),
        pytest.param({"customer": "cus_1"}, ["in_1"], id="customer"),
        pytest.param({"subscription": "sub_2"}, ["in_2"], id="subscription"),
        pytest.param({"invoice": "in_3"}, ["in_3"], id="invoice"),
        pytest.param({"currency": "jpy"}, ["in_2"], id="currency"),
        pytest.param(
            {"opened_from": "2026-03-02T12:00:00Z"}, ["in_3", "in_2"], id="from, included"
        ),
        pytest.param({"opened_to": "2026-03-02T13:00:00+01:00"}, ["in_1"], id="to, left out"),
        pytest.param({"customer": "cus_1", "state": "parked"}, [], id="both"),
    ],
)
async def test_cases_are_found_by_their_filters(
    stage: Stage, filters: dict[str, Any], found: list[str]
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await stage.holds(
        merchant,
        a_case(account, "in_1", opened_at=NOW - DAY, customer_id="cus_1"),
        a_case(
            account,
            "in_2",
            state=CaseState.PARKED,
            waits=None,
            subscription_id="sub_2",
            currency="jpy",
        ),
        a_case(account, "in_3", opened_at=NOW + DAY, waits=Waits.CUSTOMER),
    )

    response = await stage.client.get(
        "/v1/cases", params=filters, headers=await stage.key(merchant)
    )

    assert [case["invoice"] for case in response.json()["cases"]] == found
    assert response.json()["next"] is None


async def test_pages_show_every_case_once_though_new_ones_are_opened_meanwhile(
    stage: Stage,
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    key = await stage.key(merchant)
    await stage.holds(merchant, *(a_case(account, f"in_{n}") for n in range(7)))

    seen: list[str] = []
    cursor: dict[str, str] = {}
    for page in range(4):
        asked = {"limit": "2", **cursor}
        answer = (await stage.client.get("/v1/cases", params=asked, headers=key)).json()
        seen += [case["invoice"] for case in answer["cases"]]
        cursor = {"cursor": answer["next"]} if answer["next"] else {}
        await stage.holds(merchant, a_case(account, f"late_{page}", opened_at=NOW + DAY))

    assert sorted(seen) == [f"in_{n}" for n in range(7)]
    assert cursor == {}


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"state": "dead"}, "query.state.0"),
        ({"limit": "0"}, "query.limit"),
        ({"limit": "201"}, "query.limit"),
        ({"currency": "EUR"}, "query.currency"),
        ({"customer": "cus_\x00"}, "query.customer"),
        ({"customer": "c" * 256}, "query.customer"),
        ({"opened_from": "2026-03-02"}, "query.opened_from"),
        ({"opened_from": "2026-03-02T12:00:00"}, "query.opened_from"),
        ({"opened_from": "2026-13-02T12:00:00Z"}, "query.opened_from"),
        ({"opened_from": "2026-03-02T12:00:00Z", "opened_to": "2026-03-01T12:00:00Z"}, "query"),
        ({"cursor": "nonsense"}, "query.cursor"),
        ({"cursor": "é"}, "query.cursor"),
        ({"colour": "red"}, "query.colour"),
    ],
)
async def test_a_wrong_parameter_is_named(
    stage: Stage, parameters: dict[str, str], where: str
) -> None:
    key = await stage.key(await stage.merchant())

    response = await stage.client.get("/v1/cases", params=parameters, headers=key)

    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-parameters")
    assert where_it_is_wrong(response) == [where]


async def test_a_cursor_goes_on_with_the_list_it_came_from_only(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    key = await stage.key(merchant)
    await stage.holds(merchant, a_case(account, "in_1"), a_case(account, "in_2"))
    first = await stage.client.get("/v1/cases", params={"limit": 1}, headers=key)

    other = {"cursor": first.json()["next"], "currency": "usd"}
    response = await stage.client.get("/v1/cases", params=other, headers=key)

    assert where_it_is_wrong(response) == ["query.cursor"]


async def test_cases_of_another_merchant_are_not_found_by_any_way(stage: Stage) -> None:
    one, other = await stage.merchant(), await stage.merchant()
    case = a_case(await stage.account(one), "in_1", customer_id="cus_1")
    account = await stage.account(other)
    mine = [a_case(account, f"in_{n}") for n in (8, 9)]
    await stage.holds(one, case)
    await stage.holds(other, *mine)
    foreign, own = await stage.key(other), await stage.key(one)

    page = await stage.client.get("/v1/cases", params={"limit": 1}, headers=foreign)
    cursor = page.json()["next"]
    by_id = await stage.client.get(f"/v1/cases/{case.case_id}", headers=foreign)
    by_filter = await stage.client.get("/v1/cases", params={"invoice": "in_1"}, headers=foreign)
    by_cursor = await stage.client.get("/v1/cases", params={"cursor": cursor}, headers=own)

    assert (by_id.status_code, by_id.json()["type"]) == (404, "/problems/not-found")
    assert by_filter.json()["cases"] == []
    assert {case["invoice"] for case in by_cursor.json()["cases"]} <= {"in_1"}


@pytest.mark.parametrize(
    "case_id", ["case_0", "x", "%00", "case_" + "f" * 32, "a" * 5_000, "..%5c"]
)
async def test_an_odd_case_id_is_not_found(stage: Stage, case_id: str) -> None:
    key = await stage.key(await stage.merchant())

    response = await stage.client.get(f"/v1/cases/{case_id}", headers=key)

    assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
