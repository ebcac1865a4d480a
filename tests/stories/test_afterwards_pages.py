"""After somebody left: the pages behind the letters' links, and what merchants set over the API."""

from typing import Any

import pytest

from app.domain.afterwards import AfterLetter
from app.domain.cancellations import CancelRequest, RequestState
from app.services import after_settings
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door
from tests.stories.parting import RETURN, leaves, link, says_why, switched
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def test_a_letter_without_a_way_back_cannot_be_switched_on(stage: Stage) -> None:
    merchant = stage.merchant.merchant_id
    about: dict[str, Any] = {
        "feedback_hours": 24, "before_end_days": 7, "win_back_days": {}, "actor": "test",
    }  # fmt: skip

    with pytest.raises(after_settings.NotReady) as nowhere:
        await after_settings.switch(
            stage.world, merchant, on=[AfterLetter.WIN_BACK], return_url=None, **about
        )
    with pytest.raises(after_settings.NotReady) as unsigned:
        await after_settings.switch(
            stage.world, merchant, on=[AfterLetter.EXIT_FEEDBACK], return_url=None, **about
        )

    assert nowhere.value.where == "return_url"
    assert "postal address" in unsigned.value.why


@pytest.mark.parametrize("token", ["x", "%00", "a" * 500, "../../etc", "é", "' or 1=1 --"])
@pytest.mark.parametrize("path", ["q", "b"])
async def test_a_link_that_never_was_leads_nowhere(door: Door, path: str, token: str) -> None:
    answers = [
        await door.client.get(f"/{path}/{token}"),
        await door.client.post(f"/{path}/{token}", data={"words": "x"}),
    ]

    assert {answer.status_code for answer in answers} == {404}


async def test_a_link_for_one_thing_is_good_for_no_other(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    await leaves(door)
    await stage.passes(days=2)
    token = await link(stage, AfterLetter.EXIT_FEEDBACK, "q")

    back = await door.client.post(f"/b/{token}")
    long_after = await door.client.get(f"/q/{token}")
    await stage.passes(days=61)
    too_late = await door.client.get(f"/q/{token}")

    assert (back.status_code, long_after.status_code, too_late.status_code) == (404, 200, 404)
    (request,) = await stage.find(CancelRequest)
    assert request.state is RequestState.ENDED


async def test_the_way_back_of_a_former_leaving_tells_of_the_one_that_stands(door: Door) -> None:
    # given somebody who came back by a letter, left again, and opens the old letter
    stage = door.stage
    await switched(stage, AfterLetter.WIN_BACK_BEFORE_END)
    person = await leaves(door)
    await stage.passes(days=24)
    token = await link(stage, AfterLetter.WIN_BACK_BEFORE_END, "b")
    kept = await door.client.post(f"/b/{token}")
    await says_why(door, person, None)

    leaving = await door.client.get(f"/b/{token}")
    await stage.passes(days=10)
    gone = await door.client.get(f"/b/{token}")

    # then it tells what is true each time
    assert "Your subscription goes on" in kept.text
    assert "Keep your subscription?" in leaving.text
    assert "Your subscription has ended" in gone.text


async def test_a_threat_in_an_answer_is_shown_to_a_person(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    await leaves(door)
    await stage.passes(days=2)
    token = await link(stage, AfterLetter.EXIT_FEEDBACK, "q")

    await door.client.post(f"/q/{token}", data={"words": "My lawyer will <script>sue you"})

    assert "red_flag" in await stage.alerts()


async def test_merchants_set_all_of_it_over_the_api(door: Door) -> None:
    stage, key = door.stage, door.backend()
    person = await stage.subscriber(APPROVES)
    head = {"postal_address": "Kelp, 1 Shore Road"}
    asks = [
        await door.asks("PUT", "/v1/after-letters", key, {"on": ["we_fixed_it"]}),
        await door.asks("PUT", "/v1/letterhead", key, head),
        await door.asks(
            "PUT", "/v1/after-letters", key, {"on": ["we_fixed_it"], "return_url": RETURN}
        ),
        await door.asks("GET", "/v1/after-letters", key),
        await door.asks(
            "POST",
            f"/v1/customers/{person.customer}/permission",
            key,
            {"given": True, "how": "a box"},
        ),
        await door.asks("GET", f"/v1/customers/{person.customer}/permission", key),
        await door.asks("GET", "/v1/customers/cus_nobody/permission", key),
    ]
    where = "/v1/cancel-reasons/missing_feature/mended"
    mends = [
        await door.asks("POST", where, key, {"note": {"tlh": "Qapla'"}}),
        await door.asks("POST", where, key, {"note": {"en": "It is there."}}),
        await door.asks("POST", where, key, {"note": {"en": "It is there."}}),
        await door.asks("GET", "/v1/mended-reasons", key),
    ]

    assert [a.status_code for a in asks] == [422, 200, 200, 200, 200, 200, 404]
    assert [a.status_code for a in mends] == [422, 200, 409, 200]
    assert asks[3].json()["on"] == ["we_fixed_it"]
    assert asks[5].json()["given"] is True
    assert [row["reason"] for row in mends[3].json()["mended"]] == ["missing_feature"]
