"""What is done at the desk: the commands of a case, and policies."""

from typing import Any

import pytest

from app.domain.dunning import CaseState
from app.services.policies import put_policy
from tests.pages.desk import (
    CASES,
    a_case,
    a_command,
    a_desk,
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
