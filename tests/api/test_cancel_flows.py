"""`/v1/cancel-flows`: versions, what is refused and why, previews, the law."""

from typing import Any

import pytest

from app.domain.merchants import Scope
from tests.api.stage import Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATH = "/v1/cancel-flows/plain"
END = [{"id": "confirm", "kind": "confirm"}, {"id": "done", "kind": "success"}]
SURVEY = {"id": "why", "kind": "survey"}


def a_flow(*steps: dict[str, Any], **told: Any) -> dict[str, Any]:
    return {"steps": [SURVEY, *steps, *END]} | told


def an_offer(name: str, **told: Any) -> dict[str, Any]:
    offer = {"kind": "contact", "url": "https://kelp.example/talk"}
    return {"id": name, "kind": "offer", "offer": offer} | told


async def keys(stage: Stage) -> dict[str, str]:
    merchant = await stage.merchant()
    return await stage.key(merchant, Scope.FLOWS_READ, Scope.FLOWS_WRITE)


async def test_a_flow_is_drafted_published_changed_and_rolled_back(stage: Stage) -> None:
    key, client = await keys(stage), stage.client

    first = await client.put(PATH, headers=key, json=a_flow())
    same = await client.put(PATH, headers=key, json=a_flow())
    await client.post(f"{PATH}/publish", headers=key, json={"version": 1})
    changed = a_flow(immediately=True)
    refused = await client.put(PATH, headers=key, json=changed)
    second = await client.put(PATH, headers=key | {"If-Match": '"1"'}, json=changed)
    await client.post(f"{PATH}/publish", headers=key, json={"version": 2})
    back = await client.post(f"{PATH}/rollback", headers=key, json={"version": 1})
    listed = await client.get("/v1/cancel-flows", headers=key)

    assert (first.json()["version"], same.json()["version"]) == (1, 1)
    assert (refused.status_code, second.json()["version"]) == (409, 2)
    assert (back.json()["version_in_force"], back.json()["newest_version"]) == (1, 2)
    assert listed.json()["flows"] == [
        {"name": "default", "newest_version": 0, "version_in_force": 0},
        {"name": "plain", "newest_version": 2, "version_in_force": 1},
    ]


@pytest.mark.parametrize(
    ("document", "where"),
    [
        pytest.param({"steps": [SURVEY]}, "body.steps", id="no end"),
        pytest.param({"steps": [*END, SURVEY]}, "body.steps", id="the end in front"),
        pytest.param(a_flow(SURVEY), "body.steps[1].id", id="twice the same step"),
        pytest.param(
            {"steps": [an_offer("o", when={"reasons": ["other"]}), *END]},
            "body.steps[0].when.reasons",
            id="a reason nobody was asked for",
        ),
        pytest.param(
            a_flow({"id": "o", "kind": "offer"}), "body.steps[1].offer", id="an empty offer"
        ),
        pytest.param(
            a_flow(reasons=[{"id": "mine"}]), "body.reasons[0].labels", id="no label of its own"
        ),
        pytest.param(a_flow(name="other"), "body.name", id="another name"),
        pytest.param(a_flow(surprise=1), "body.surprise", id="a field nobody knows"),
        pytest.param(a_flow(immediately="yes"), "body.immediately", id="no truth"),
        pytest.param({"steps": [None, None]}, "body.steps[0]", id="no steps"),
    ],
)
async def test_what_is_wrong_with_a_flow_is_named(
    stage: Stage, document: dict[str, Any], where: str
) -> None:
    answer = await stage.client.put(PATH, headers=await keys(stage), json=document)

    assert answer.status_code == 422
    assert where in where_it_is_wrong(answer)


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        pytest.param(a_flow(an_offer("a"), an_offer("b")), "one-offer", id="two offers"),
        pytest.param(
            a_flow(an_offer("a"), place="US-MN"), "us-mn-no-offer", id="an offer in Minnesota"
        ),
        pytest.param(
            a_flow(an_offer("a", texts={"en": {"body": "No thanks, I like paying more."}})),
            "no-shaming",
            id="shame",
        ),
    ],
)
async def test_a_flow_that_breaks_the_law_cannot_be_published(
    stage: Stage, document: dict[str, Any], rule: str
) -> None:
    key, client = await keys(stage), stage.client
    await client.put(PATH, headers=key, json=document)

    answer = await client.post(f"{PATH}/publish", headers=key, json={"version": 1})
    shown = await client.get(PATH, headers=key)

    (error,) = answer.json()["errors"]
    rules = (await client.get("/v1/cancel-rules", headers=key)).json()["rules"]
    (source,) = [row["source"] for row in rules if row["id"] == rule]
    assert answer.status_code == 422
    assert rule in error["what"]
    assert source in error["what"]
    assert shown.json()["version_in_force"] is None


async def test_offers_for_different_reasons_are_one_screen_for_anybody(stage: Stage) -> None:
    key, client = await keys(stage), stage.client
    steps = [
        an_offer(f"for-{reason}", when={"reasons": [reason]})
        for reason in ("too_expensive", "other")
    ]
    await client.put(PATH, headers=key, json=a_flow(*steps))

    answer = await client.post(f"{PATH}/publish", headers=key, json={"version": 1})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("place", "offered"),
    [("DE", True), ("US-CA", True), ("US-MN", False), ("US", False), (None, False)],
)
async def test_a_preview_shows_what_somebody_there_would_see(
    stage: Stage, place: str | None, offered: bool
) -> None:
    key, client = await keys(stage), stage.client
    await client.put(PATH, headers=key, json=a_flow(an_offer("talk")))

    answer = await client.post(
        f"{PATH}/preview", headers=key, json={"language": "de", "place": place}
    )

    seen = answer.json()
    ids = [step["id"] for step in seen["steps"]]
    assert ids == ["why", *(["talk"] if offered else []), "confirm", "done"]
    assert seen["steps"][0]["reasons"][0]["label"] == "Es ist mir zu teuer"
    assert seen["breaks"] == []


async def test_the_shipped_flow_is_there_from_the_first_and_breaks_nothing(stage: Stage) -> None:
    key, client = await keys(stage), stage.client

    shown = await client.get("/v1/cancel-flows/default", headers=key)
    seen = await client.post("/v1/cancel-flows/default/preview", headers=key, json={})

    assert (shown.json()["version"], shown.json()["state"]) == (0, "published")
    assert seen.json()["breaks"] == []
