"""What is done at the desk: the commands of a case, and policies."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.dunning import CaseState
from app.domain.operations import Alert, AuditEntry
from app.services.policies import put_policy
from tests.pages.desk import (
    CASES,
    Front,
    a_case,
    a_command,
    a_desk,
    an_alert,
    everything,
)

pytestmark = pytest.mark.anyio


async def test_a_row_of_the_table_is_a_button_that_does_it_and_says_so():
    told: list[Any] = []
    desk = await a_desk(*everything(), commands=[a_command(told)])
    path = f"{CASES}/{desk.case.case_id}"

    page = await desk.browser.get(path)
    pressed = await desk.presses(path + "/try", note="she called", once="1-try")
    after = await desk.browser.get(pressed.headers["location"])

    assert "It will be tried." in page.text
    assert pressed.status_code == 303
    [(merchant, case_id, form)] = told
    assert (merchant, case_id) == ("mer_1", desk.case.case_id)
    assert form["note"] == "she called"
    assert form["once"] == "1-try"
    assert "It was tried." in after.text


async def test_a_refusal_is_told_with_what_to_do_next():
    desk = await a_desk(*everything(), commands=[a_command([], refuses="it is on hold")])

    pressed = await desk.presses(f"{CASES}/{desk.case.case_id}/try")

    assert pressed.status_code == 409
    assert "Nothing was changed." in pressed.text
    assert "it is on hold." in pressed.text


async def test_what_no_row_names_cannot_be_done():
    desk = await a_desk(*everything())

    assert (await desk.presses(f"{CASES}/{desk.case.case_id}/explode")).status_code == 404


async def test_a_case_is_offered_only_what_it_allows():
    desk = await a_desk(a_case(1, state=CaseState.STOPPED), commands=[a_command([])])

    assert "Try it" not in (await desk.browser.get(f"{CASES}/{desk.case.case_id}")).text


async def test_a_policy_is_read_tried_and_published_at_the_desk():
    desk = await a_desk(*everything())
    document = {"retry": {"max_attempts": 2}}
    await put_policy(desk.world, "mer_1", "default", document, read_version=1, actor="test")

    listed = await desk.browser.get("/operator/policies")
    draft = await desk.browser.get("/operator/policies/default/2?decline=new_method")
    done = await desk.presses("/operator/policies/default/2/publish")
    after = await desk.browser.get(done.headers["location"])

    assert "Draft 2 waits to be published" in listed.text
    assert "Max attempts" in draft.text
    assert "Publish" in draft.text
    assert "In force" in after.text
    assert "New cases get this version" in after.text


async def test_a_case_moves_to_another_policy_by_its_button():
    desk = await a_desk(*everything())
    path = f"{CASES}/{desk.case.case_id}"

    unknown = await desk.presses(path + "/policy", policy="nothing@7")
    same = await desk.presses(path + "/policy", policy="default@1")

    assert unknown.status_code == 409
    assert "there is no policy version" in unknown.text
    assert same.status_code == 303


@pytest.mark.parametrize(
    "path", ["nope/1", "default/0", "default/99", "default/x", "%00/1", "default/" + "9" * 30]
)
async def test_a_policy_that_is_not_there_is_not_found(path):
    desk = await a_desk()

    assert (await desk.browser.get(f"/operator/policies/{path}")).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["amount=0", "amount=x&currency=euro", "decline=x&brand=x&interval=x&mode=x", "amount=9e9"],
)
async def test_a_preview_of_nonsense_is_one_of_the_usual(query):
    desk = await a_desk()

    page = await desk.browser.get(f"/operator/policies/default/1?{query}")

    assert page.status_code == 200
    assert "Day 28" in page.text


RED_FLAG = an_alert("red_flag", "cxr_1", "they ask for a lawyer")


def seen(alert: Alert) -> dict[str, str]:
    """The form that stands beside an alert."""
    return {"seen": alert.at.isoformat()}


async def alerts_of(desk: Front) -> list[Alert]:
    async with desk.world.store.transaction("mer_1") as tx:
        return await tx.find(Alert, where={"merchant_id": "mer_1"})


async def test_a_person_puts_an_alert_away_that_does_not_end_by_itself():
    desk = await a_desk(RED_FLAG)
    path = f"/operator/attention/{RED_FLAG.alert_id}/put-away"

    before = await desk.browser.get("/operator/attention")
    pressed = [await desk.presses(path, **seen(RED_FLAG)) for _ in range(2)]
    after = await desk.browser.get("/operator/attention")

    (alert,) = await alerts_of(desk)
    async with desk.world.store.transaction("mer_1") as tx:
        lines = await tx.find(AuditEntry, where={"merchant_id": "mer_1"})
    assert f"/attention/{RED_FLAG.alert_id}/put-away" in before.text
    assert [one.status_code for one in pressed] == [303, 303]
    assert "Red flag" not in after.text
    assert alert.resolved_at is not None
    assert [line.action for line in lines].count("alert.put_away") == 1


async def test_what_happened_again_since_the_page_was_loaded_is_not_put_away():
    again = replace(RED_FLAG, at=RED_FLAG.at + timedelta(hours=1))
    desk = await a_desk(again)

    pressed = await desk.presses(f"/operator/attention/{again.alert_id}/put-away", **seen(RED_FLAG))

    (alert,) = await alerts_of(desk)
    assert pressed.status_code == 409
    assert "happened again" in pressed.text
    assert alert.resolved_at is None


async def test_what_ends_by_itself_is_not_put_away_nor_what_is_not_there():
    paused = an_alert("account_paused", "acc_1", "the key is refused")
    desk = await a_desk(paused)

    page = await desk.browser.get("/operator/attention")
    pressed = await desk.presses(f"/operator/attention/{paused.alert_id}/put-away", **seen(paused))
    unknown = await desk.presses("/operator/attention/alr_0/put-away", **seen(paused))

    assert "put-away" not in page.text
    assert (pressed.status_code, unknown.status_code) == (409, 404)


ONCE = "a-mark-of-one-page"


async def test_a_case_is_held_and_released_by_its_buttons():
    desk = await a_desk(*everything())
    path = f"{CASES}/{desk.case.case_id}"

    form = {"reason": "promise_to_pay", "until": "2026-12-24", "note": "she called", "once": ONCE}
    held = await desk.presses(path + "/hold", **form)
    page = (await desk.browser.get(held.headers["location"])).text
    again = await desk.presses(path + "/hold", **form)
    freed = await desk.presses(path + "/release", reason="", once=ONCE + "2")
    after = (await desk.browser.get(freed.headers["location"])).text

    assert held.status_code == again.status_code == freed.status_code == 303
    assert "The case is on hold." in page
    assert "Promised to pay, until 25 Dec 2026" in page
    assert "she called" in page
    assert "Go on: the hold ends" in page
    assert "Charge now" not in page
    assert "The case goes on." in after


async def test_a_case_is_stopped_and_forgiven_by_its_buttons():
    desk = await a_desk(*everything())
    path = f"{CASES}/{desk.case.case_id}"

    stopped = await desk.presses(path + "/stop", reason="she left", once=ONCE)
    page = (await desk.browser.get(stopped.headers["location"])).text
    forgiven = await desk.presses(path + "/forgive", once=ONCE + "2")
    after = (await desk.browser.get(forgiven.headers["location"])).text

    assert "The case is stopped." in page
    assert "Stop collecting" not in page
    assert "Forgive the debt" in page
    assert "The debt is forgiven." in after
    assert "Forgive the debt" not in after


@pytest.mark.parametrize(
    ("name", "form", "why"),
    [
        ("hold", {"reason": "mood"}, "there is no such reason"),
        ("hold", {"reason": ""}, "a hold needs a reason"),
        ("hold", {"reason": "operator", "until": "9999-12-31"}, "nobody waits as long"),
        ("hold", {"reason": "operator", "until": "2026-02-30"}, "there is no such day"),
        ("hold", {"reason": "operator", "until": "2020-01-01"}, "this day is over"),
        (
            "hold",
            {"reason": "operator", "until": "\u0662\u0660\u0662\u0667-01-01"},
            "is written as",
        ),
        ("stop", {"reason": " \r\n"}, "it needs a reason"),
        ("release", {"reason": ""}, "the case is not held"),
    ],
)
async def test_nonsense_at_the_desk_changes_nothing_and_says_why(name, form, why):
    desk = await a_desk(*everything())

    answer = await desk.presses(f"{CASES}/{desk.case.case_id}/{name}", once=ONCE, **form)

    assert answer.status_code == 409
    assert "Nothing was changed." in answer.text
    assert why in answer.text


@pytest.mark.parametrize("once", ["", "x", "a b c d e f g h", "x" * 300])
async def test_a_form_without_its_mark_does_nothing(once):
    desk = await a_desk(*everything())

    path = f"{CASES}/{desk.case.case_id}/stop"
    answer = await desk.presses(path, reason="x", once=once)

    assert answer.status_code == 409
    assert "load the page again" in answer.text
