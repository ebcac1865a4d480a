"""`POST /v1/cases/{id}/retry|hold|release|stop|forgive`: done once, refused by name, kept apart."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.dunning import Case, CaseKind, CaseState, Waits
from app.domain.merchants import Merchant, Scope
from app.domain.movements import intended_end
from app.domain.operations import AuditEntry, IdempotencyKey
from tests.api.stage import NOW, Stage, a_case, where_it_is_wrong

pytestmark = pytest.mark.anyio
HOLD = {"reason": "promise_to_pay", "until": "2026-03-09", "note": "Sie zahlt bis Montag"}
BODIES: dict[str, Any] = {
    "retry": None,
    "hold": HOLD,
    "release": {},
    "stop": {"reason": "they asked"},
    "forgive": {},
}


class Commands:
    """A merchant's case and somebody who orders."""

    def __init__(self, stage: Stage, merchant: Merchant, case: Case, headers: dict[str, str]):
        self.stage, self.merchant, self.case, self.headers = stage, merchant, case, headers

    async def orders(
        self, what: str, body: Any = None, *, key: str | None = "k-1", about: str = ""
    ) -> httpx.Response:
        path = f"/v1/cases/{about or self.case.case_id}/{what}"
        named = {"Idempotency-Key": key} if key is not None else {}
        told = {"json": body} if body is not None else {}
        return await self.stage.client.post(path, headers={**self.headers, **named}, **told)

    async def rows(self, kind: type[Any]) -> list[Any]:
        async with self.stage.world.store.transaction(self.merchant.merchant_id) as tx:
            return await tx.find(kind, where={"merchant_id": self.merchant.merchant_id})


async def a_desk(stage: Stage, **told: Any) -> Commands:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    case = a_case(account, customer_id="cus_1", **({"amount_minor": 4900, "driven": True} | told))
    await stage.holds(merchant, case)
    return Commands(stage, merchant, case, await stage.key(merchant, Scope.CASES_WRITE))


async def test_a_hold_says_why_and_until_when_and_a_release_ends_it(stage: Stage) -> None:
    desk = await a_desk(stage)

    held = (await desk.orders("hold", HOLD)).json()
    freed = (await desk.orders("release", {}, key="k-2")).json()

    assert held["case"]["waits"] == "on_hold"
    assert held["case"]["holds"] == [
        {
            "name": "promise_to_pay",
            "reason": "promise_to_pay",
            "until": "2026-03-10T08:00:00Z",
            "note": "Sie zahlt bis Montag",
        }
    ]
    assert (freed["case"]["waits"], freed["case"]["holds"]) == ("retrying", [])
    assert {"case.hold", "case.release"} <= {line.action for line in await desk.rows(AuditEntry)}


@pytest.mark.parametrize("what", BODIES)
async def test_a_command_sent_twice_is_carried_out_once(stage: Stage, what: str) -> None:
    held = {"waits": Waits.ON_HOLD, "holds": ({"name": "operator", "reason": "operator"},)}
    desk = await a_desk(stage, **(held if what == "release" else {}))

    first = await desk.orders(what, BODIES[what])
    second = await desk.orders(what, BODIES[what])

    assert (first.status_code, second.status_code) == (200, 200), first.text
    assert (first.json()["repeated"], second.json()["repeated"]) == (False, True)
    assert [line.action for line in await desk.rows(AuditEntry)].count(f"case.{what}") == 1
    assert len(await desk.rows(IdempotencyKey)) == 1


async def test_a_key_of_one_command_does_not_open_another(stage: Stage) -> None:
    desk = await a_desk(stage)
    await desk.orders("hold", HOLD)

    other = await desk.orders("stop", {"reason": "x"})
    changed = await desk.orders("hold", {**HOLD, "until": "2026-03-10"})

    assert [other.status_code, changed.status_code] == [409, 409]
    assert other.json()["type"] == "/problems/idempotency-key-reused"


ENDING = {"reason": intended_end("cancel_now", "void")}
HELD = {"waits": Waits.ON_HOLD, "holds": ({"name": "operator", "reason": "operator"},)}
DISPUTED = {"waits": Waits.ON_HOLD, "holds": ({"name": "dp_1", "reason": "dispute"},)}


@pytest.mark.parametrize(
    ("what", "stands", "name"),
    [
        pytest.param("stop", {"state": CaseState.RECOVERED}, "case-over", id="over"),
        pytest.param("hold", {"state": CaseState.STOPPED}, "case-over", id="stopped"),
        pytest.param("stop", ENDING, "case-ending", id="ending"),
        pytest.param("retry", {"state": CaseState.PARKED}, "case-parked", id="parked"),
        pytest.param("retry", HELD, "case-held", id="held"),
        pytest.param("release", DISPUTED, "case-disputed", id="disputed"),
        pytest.param("release", {}, "not-held", id="not held"),
        pytest.param("retry", {"kind": CaseKind.INVOICE}, "never-charged", id="by hand"),
    ],
)
async def test_what_a_case_does_not_allow_is_refused_by_its_name(
    stage: Stage, what: str, stands: dict[str, Any], name: str
) -> None:
    desk = await a_desk(stage, **stands)

    answer = await desk.orders(what, BODIES[what])

    assert answer.status_code == 409
    assert answer.json()["type"] == f"/problems/{name}"
    assert await desk.rows(IdempotencyKey) == []


async def test_a_second_attempt_is_not_ordered_beside_the_first(stage: Stage) -> None:
    desk = await a_desk(stage)
    await desk.orders("retry")

    again = await desk.orders("retry", key="k-2")

    assert again.json()["type"] == "/problems/attempt-under-way"


async def test_a_day_that_is_over_where_the_customer_is_cannot_be_promised(stage: Stage) -> None:
    desk = await a_desk(stage)

    gone = await desk.orders(
        "hold", {**HOLD, "until": (NOW - timedelta(days=1)).date().isoformat()}
    )
    today = await desk.orders("hold", {**HOLD, "until": NOW.date().isoformat()}, key="k-2")

    assert gone.json()["type"] == "/problems/day-over"
    assert today.status_code == 200


@pytest.mark.parametrize(
    ("what", "body", "where"),
    [
        ("hold", {"reason": "mood"}, "body.reason"),
        ("hold", {}, "body.reason"),
        ("hold", {"reason": "operator", "until": "soon"}, "body.until"),
        ("hold", {"reason": "operator", "until": "99999-01-01"}, "body.until"),
        ("hold", {"reason": "operator", "note": "a\x00b"}, "body.note"),
        ("hold", {"reason": "operator", "note": "a\r\nBcc: x"}, "body.note"),
        ("hold", {"reason": "operator", "note": "n" * 501}, "body.note"),
        ("hold", {"reason": "operator", "state": "recovered"}, "body.state"),
        ("stop", {}, "body.reason"),
        ("stop", {"reason": "  "}, "body.reason"),
        ("forgive", {"close": "void"}, "body.close"),
    ],
)
async def test_nonsense_is_refused_with_its_place(
    stage: Stage, what: str, body: Any, where: str
) -> None:
    desk = await a_desk(stage)

    answer = await desk.orders(what, body)

    assert answer.status_code == 422, answer.text
    assert where in where_it_is_wrong(answer)


async def test_the_last_day_of_the_calendar_is_no_day_to_wait_for(stage: Stage) -> None:
    desk = await a_desk(stage)

    answer = await desk.orders("hold", {"reason": "operator", "until": "9999-12-31"})

    assert answer.status_code == 422


@pytest.mark.parametrize("key", [None, "", "k" * 256, "with space"])
async def test_a_command_needs_a_key_of_its_own(stage: Stage, key: str | None) -> None:
    desk = await a_desk(stage)

    answer = await desk.orders("retry", key=key)

    assert answer.status_code == 422
    assert where_it_is_wrong(answer) == ["header.Idempotency-Key"]


async def test_a_case_of_somebody_else_is_not_there(stage: Stage) -> None:
    mine, theirs = await a_desk(stage), await a_desk(stage)

    foreign = await mine.orders("stop", {"reason": "x"}, about=theirs.case.case_id)
    strange = await mine.orders("stop", {"reason": "x"}, about="case_x")

    assert [foreign.status_code, strange.status_code] == [404, 404]
    assert (await theirs.rows(Case))[0].state is CaseState.ACTIVE


async def test_keys_of_two_merchants_do_not_meet(stage: Stage) -> None:
    mine, theirs = await a_desk(stage), await a_desk(stage)

    told = [await one.orders("stop", {"reason": "x"}, key="same") for one in (mine, theirs)]

    assert [answer.status_code for answer in told] == [200, 200]
