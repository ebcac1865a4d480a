"""Who may come in to the operator's pages, whose forms count, and what a key may see."""

from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.merchants import ApiKey, Scope
from app.pages.operator.sessions import LASTS
from app.services.api_keys import revoke_key
from app.storage.memory import MemoryStore
from tests.pages.desk import (
    CASES,
    TOKEN,
    a_browser,
    a_case,
    a_command,
    a_desk,
    everything,
    found,
    heading,
    signs_in,
)
from tests.pages.town import NOW, At

pytestmark = pytest.mark.anyio


async def test_without_a_session_every_page_leads_to_the_door_and_back():
    desk = await a_desk(*everything())
    stranger = await desk.somebody()

    sent = await stranger.get(CASES + "?state=all")
    door = await stranger.get(sent.headers["location"])
    token = TOKEN.findall(door.text)[0]
    there = found(r'name="next" value="([^"]+)"', door)
    inside = await stranger.post(
        "/operator/sign-in", data={"token": token, "key": desk.secret, "next": there}
    )

    assert sent.status_code == 303
    assert heading(door) == "Sign in"
    assert inside.headers["location"] == "/operator/cases?state=all"


async def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http():
    desk = await a_desk(public_url="https://desk.example")
    stranger = a_browser(desk.app, "https://desk.example")

    answer = await signs_in(stranger, desk.secret)

    [cookie] = [c for c in answer.headers.get_list("set-cookie") if "-desk=v1" in c]
    assert cookie.startswith("__Host-holdfast-desk=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Max-Age" not in cookie
    assert desk.secret not in cookie


@pytest.mark.parametrize("key", ["", "hf_live_" + "x" * 43, "hf_live_x", "🎉", "x" * 5000])
async def test_no_other_key_opens_the_door(key):
    desk = await a_desk()
    stranger = await desk.somebody()

    answer = await signs_in(stranger, key)

    assert answer.status_code == 401
    assert "holdfast keys create" in answer.text
    assert (await stranger.get(CASES)).status_code == 303


async def test_a_key_that_is_revoked_ends_its_sessions_at_once():
    desk = await a_desk(*everything())
    session = desk.browser

    async with desk.world.store.system() as tx:
        [key] = await tx.find(ApiKey, where={})
    await revoke_key(desk.world, merchant_id="mer_1", key_id=key.key_id, actor="test")

    assert (await session.get(CASES)).status_code == 303


async def test_a_session_ends_by_itself():
    time = At()
    desk = await a_desk(*everything(), time=time)

    time.instant = NOW + LASTS - timedelta(seconds=1)
    before = await desk.browser.get(CASES)
    time.instant = NOW + LASTS
    after = await desk.browser.get(CASES)

    assert before.status_code == 200
    assert after.status_code == 303


async def test_signing_out_takes_the_cookie_back():
    desk = await a_desk(*everything())

    await desk.presses("/operator/sign-out")

    assert (await desk.browser.get(CASES)).status_code == 303


@pytest.mark.parametrize(
    "cookie", ["", "v1.x.y", "x" * 5000, "v1.00000000.AAAA", "%00", '{"for": "operator desk"}']
)
async def test_a_cookie_of_ones_own_making_opens_nothing(cookie):
    desk = await a_desk()
    stranger = a_browser(desk.app)

    answer = await stranger.get(CASES, headers={"cookie": f"holdfast-desk={cookie}"})

    assert answer.status_code == 303


async def test_what_was_sealed_for_something_else_is_no_session():
    desk = await a_desk()
    await desk.browser.get("/operator/sign-in")
    door = desk.browser.cookies["holdfast-door"]
    other = desk.world.sealer.seal('["sk_live_secret"]')

    for sealed in (door, other):
        stranger = a_browser(desk.app)
        answer = await stranger.get(CASES, headers={"cookie": f"holdfast-desk={sealed}"})

        assert answer.status_code == 303


@pytest.mark.parametrize(
    "there",
    ["https://evil.example", "//evil.example", "/operator/../p/x", "/operator/\\\\evil", "/p/x"],
)
async def test_nobody_is_led_away_by_the_door(there):
    desk = await a_desk()
    stranger = await desk.somebody()

    answer = await signs_in(stranger, desk.secret, next=there)

    assert answer.headers["location"] == "/operator/cases"


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("guessed", {}),
        ("\N{PARTY POPPER}" * 300, {}),
        (None, {"sec-fetch-site": "cross-site"}),
        (None, {"sec-fetch-site": "same-site"}),
    ],
)
async def test_a_form_of_another_site_does_nothing(token, headers):
    told: list[Any] = []
    desk = await a_desk(*everything(), commands=[a_command(told)])
    own = TOKEN.findall((await desk.browser.get(CASES)).text)[0]
    form = {"token": own if token is None else token}

    answer = await desk.browser.post(f"{CASES}/{desk.case.case_id}/try", data=form, headers=headers)

    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert told == []


async def test_a_token_of_another_session_is_worth_nothing():
    told: list[Any] = []
    desk = await a_desk(*everything(), commands=[a_command(told)])
    other = await desk.somebody(desk.secret)
    token = TOKEN.findall((await other.get(CASES)).text)[0]

    answer = await desk.browser.post(f"{CASES}/{desk.case.case_id}/try", data={"token": token})

    assert answer.status_code == 403
    assert told == []


async def test_a_door_from_elsewhere_lets_nobody_in():
    desk = await a_desk()
    stranger = await desk.somebody()

    answer = await stranger.post("/operator/sign-in", data={"key": desk.secret, "token": "x"})

    assert answer.status_code == 403
    assert (await stranger.get(CASES)).status_code == 303


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (CASES, Scope.CASES_READ),
        ("/operator/attention", Scope.OPERATIONS_READ),
        ("/operator/policies", Scope.POLICIES_READ),
        ("/operator/policies/default/1", Scope.POLICIES_READ),
    ],
)
async def test_a_page_needs_the_scope_of_its_api(path, scope):
    desk = await a_desk(*everything())
    without = await desk.somebody(await desk.key(*(set(Scope) - {scope})))
    with_it = await desk.somebody(await desk.key(scope))

    refused = await without.get(path)
    shown = await with_it.get(path)

    assert refused.status_code == 403
    assert f"holdfast keys create --scope {scope}" in refused.text
    assert shown.status_code == 200


async def test_a_reader_has_no_buttons_and_may_press_none():
    told: list[Any] = []
    desk = await a_desk(*everything(), scopes=[Scope.CASES_READ], commands=[a_command(told)])
    path = f"{CASES}/{desk.case.case_id}"

    page = await desk.browser.get(path)
    pressed = await desk.presses(path + "/try")

    assert "What you can do" not in page.text
    assert pressed.status_code == 403
    assert told == []


async def test_another_merchants_case_is_no_case():
    desk = await a_desk(*everything())
    other = a_case(9, merchant_id="mer_2", account_id="acc_2")
    cast("MemoryStore", desk.world.store).rows[type(other)][(other.case_id,)] = other

    for path in (other.case_id, f"{other.case_id}/letters/{'message'}", "case_1", "%00"):
        assert (await desk.browser.get(f"{CASES}/{path}")).status_code == 404
