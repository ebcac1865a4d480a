"""What somebody has here is shown before they leave, and what they answer is counted."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.survey import SurveyAnswer
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door, Leaver, open_door
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
ASKS = ["words", "competitor", "rating", "likely"]
FLOW: Json = {
    "steps": [
        {"id": "why", "kind": "survey"},
        {"id": "have", "kind": "value_reminder"},
        {"id": "more", "kind": "feedback", "asks": ASKS},
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ]
}
PROJECTS = {"name": "projects", "labels": {"en": "Projects", "de": "Projekte"}, "value": "12"}
HOURS = {"name": "hours", "labels": {"en": "Hours saved"}, "value": "340"}


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    opened = await open_door(stage)
    async with opened.client:
        path = "/v1/cancel-flows/default"
        put = await opened.asks("PUT", path, opened.backend(), FLOW)
        assert put.status_code == 200, put.text
        done = await opened.asks("POST", f"{path}/publish", opened.backend(), {"version": 1})
        assert done.status_code == 200, done.text
        yield opened


async def pushes(door: Door, customer: str, *facts: Json) -> int:
    path = f"/v1/customers/{customer}/usage-facts"
    answer = await door.asks("PUT", path, door.backend(), {"facts": list(facts)})
    return answer.status_code


async def reminded(leaver: Leaver) -> list[tuple[str, str]]:
    """What is shown after the survey."""
    seen = await leaver.does("answer", step="why")
    assert seen["step"]["kind"] == "value_reminder"
    return [(row["label"], row["value"]) for row in seen["screen"]["rows"]]


async def test_what_was_pushed_last_is_shown_in_its_order_and_the_customers_language(
    door: Door,
) -> None:
    person = await door.stage.subscriber(APPROVES, locale="de")
    await pushes(door, person.customer, {**HOURS, "name": "gone"}, PROJECTS)
    first = await pushes(door, person.customer, HOURS, PROJECTS)
    again = await pushes(door, person.customer, HOURS, PROJECTS)

    leaver = await door.opens(person, language="de")

    assert (first, again) == (200, 200)
    assert await reminded(leaver) == [("Hours saved", "340"), ("Projekte", "12")]
    page = await door.client.get(f"/c/{leaver.seen['token']}")
    assert "<dt>Projekte</dt><dd>12</dd>" in page.text


async def test_nobody_is_reminded_of_nothing(door: Door) -> None:
    leaver = await door.opens(await door.stage.subscriber(APPROVES))

    seen = await leaver.does("answer", step="why")

    assert seen["step"]["id"] == "more"
    assert seen["step"]["asks"] == ASKS


@pytest.mark.parametrize(
    "facts",
    [
        [PROJECTS, PROJECTS],
        [{**PROJECTS, "labels": {}}],
        [{**PROJECTS, "labels": {"xx": "?"}}],
        [{**PROJECTS, "value": "a\nb"}],
        [{**PROJECTS, "value": "x" * 61}],
        [{**PROJECTS, "price_minor": 1}],
        [{**PROJECTS, "name": f"n{number}"} for number in range(13)],
    ],
    ids=["twice", "no label", "no language of ours", "lines", "long", "unknown", "many"],
)
async def test_what_is_no_fact_is_refused_and_no_stranger_has_any(
    door: Door, facts: list[Json]
) -> None:
    assert await pushes(door, "cus_nobody", *facts) == 422
    assert await pushes(door, "cus_nobody", PROJECTS) == 404


async def test_what_is_answered_is_counted(door: Door) -> None:
    stage = door.stage
    told: list[Json] = [
        {"competitor": "Dulse", "rating": 7, "likely": 10},
        {"competitor": " dulse ", "rating": 7, "words": "this is fraud"},
        {"rating": 0},
    ]
    for said in told:
        leaver = await door.opens(await stage.subscriber(APPROVES))
        await leaver.does("answer", step="why")
        await leaver.does("answer", step="more", **said)
    day = stage.now.date()
    span = f"from={day}T00:00:00Z&to={day}T23:59:59Z"

    counted = await door.asks("GET", f"/v1/cancel-reasons?{span}", door.backend())

    answers = counted.json()["answers"]
    assert answers["competitors"] == {"Dulse": 2}
    assert answers["ratings"] == {"0": 1, "7": 2}
    assert answers["likely"] == {"10": 1}
    assert answers["flags"] == {"fraud": 1}


async def test_the_page_asks_the_same_and_keeps_what_can_be(door: Door) -> None:
    leaver = await door.opens(await door.stage.subscriber(APPROVES))
    door.client.follow_redirects = True
    here = f"/c/{leaver.seen['token']}/answer"
    await door.client.post(here, data={"step": "why"})

    said = {"step": "more", "competitor": "Dulse", "rating": "11", "likely": "3"}
    page = await door.client.post(here, data=said)

    (kept,) = [row for row in await door.stage.find(SurveyAnswer) if row.step == "more"]
    assert (kept.competitor, kept.rating, kept.likely) == ("Dulse", None, 3)
    assert "Cancel your subscription" in page.text


async def test_only_feedback_may_ask(door: Door) -> None:
    steps = [{"id": "why", "kind": "survey", "asks": ["rating"]}, *FLOW["steps"][-2:]]

    answer = await door.asks("PUT", "/v1/cancel-flows/odd", door.backend(), {"steps": steps})

    assert answer.status_code == 422
    assert "steps[0].asks" in answer.text
