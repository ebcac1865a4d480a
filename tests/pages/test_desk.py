"""The operator's pages over HTTP: who may come in, what they see, what a button does."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.dunning import CaseState
from app.domain.merchants import ApiKey, ProviderAccount, Scope
from app.domain.mirror import Customer
from app.pages.operator.commands import Command, CommandRefused, Field
from app.pages.operator.sessions import LASTS
from app.ports.store import StoreUnavailable
from app.services.api_keys import revoke_key
from app.services.policies import put_policy
from app.storage.memory import MemoryStore
from tests.mail.letters import HOSTILE
from tests.pages.desk import (
    PEOPLE,
    TOKEN,
    a_browser,
    a_case,
    a_customer,
    a_desk,
    a_letter,
    a_story,
    everything,
    signs_in,
)
from tests.pages.town import NOW, At

pytestmark = pytest.mark.anyio
CASES = "/operator/cases"


def heading(page):
    return found(r"<h1[^>]*>([^<]*)</h1>", page)


def found(pattern, page) -> str:
    return str(re.findall(pattern, page.text)[0]).replace("&amp;", "&")


# The door


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


# Forms


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
    desk = await a_desk(*everything(), commands=[_a_command(told)])
    own = TOKEN.findall((await desk.browser.get(CASES)).text)[0]
    form = {"token": own if token is None else token}

    answer = await desk.browser.post(f"{CASES}/{desk.case.case_id}/try", data=form, headers=headers)

    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert told == []


async def test_a_token_of_another_session_is_worth_nothing():
    told: list[Any] = []
    desk = await a_desk(*everything(), commands=[_a_command(told)])
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


# What a key may see


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
    desk = await a_desk(*everything(), scopes=[Scope.CASES_READ], commands=[_a_command(told)])
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


# Cases


async def test_the_list_begins_with_what_is_being_worked():
    desk = await a_desk(*everything())

    page = await desk.browser.get(CASES)

    assert [name for name, *_ in PEOPLE if name in page.text] == [p[0] for p in PEOPLE[:5]]
    assert "€49.00" in page.text
    assert re.findall(r'class="count">(\d+)<', page.text) == ["5", "1", "1", "1", "1", "9"]


@pytest.mark.parametrize(
    ("query", "people"),
    [
        ("state=parked", "F"),
        ("state=recovered", "G"),
        ("waits=on_hold", "D"),
        ("decline=new_method", "C"),
        ("currency=jpy", "C"),
        ("currency=eur&least=49", "AE"),
        ("currency=eur&least=19.00&most=49,00", "AB"),
        ("age=1", ""),
        ("age=7&state=all", "ABCDEF"),
        ("age=7%2B&state=all", "GH"),
        ("find=cus_2", "B"),
        ("find=in_3", "C"),
        ("account=acc_1&find=cus_2", "B"),
        ("account=acc_other", ""),
    ],
)
async def test_filters_leave_what_fits(query, people):
    desk = await a_desk(*everything())

    page = await desk.browser.get(f"{CASES}?{query}")

    shown = "".join(name[0] for name, *_ in PEOPLE if f">{name}</a>" in page.text)
    assert shown == people
    assert people or "No case fits these filters" in page.text


@pytest.mark.parametrize(
    "query",
    [
        "state=x",
        "waits=x",
        "decline=x",
        "age=x",
        "currency=x&least=3",
        "least=x",
        "least=3",
        "find=x",
    ],
)
async def test_a_filter_that_means_nothing_is_named_and_left_out(query):
    desk = await a_desk(*everything())

    page = await desk.browser.get(f"{CASES}?{query}")

    assert page.status_code == 200
    assert 'class="fault"' in page.text or 'role="alert"' in page.text
    assert "Ada Brandt" in page.text


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=2026-11-01~x", "after=%00", "least=" + "9" * 400, "find=%00" * 50,
     "currency=%F0%9F%8E%89", "account=%00", "after=9999-99-99T00:00:00Z~case_1"],
)  # fmt: skip
async def test_whatever_is_typed_is_answered(query):
    desk = await a_desk(*everything())

    assert (await desk.browser.get(f"{CASES}?{query}")).status_code == 200


async def test_a_long_list_is_turned_a_page_at_a_time():
    crowd = [a_case(n, opened_at=NOW - timedelta(minutes=n)) for n in range(1, 61)]
    desk = await a_desk(*crowd)

    first = await desk.browser.get(CASES)
    older = found(r'href="([^"]+after=[^"]+)"', first)
    second = await desk.browser.get(older)

    rows = [set(re.findall(r"cases/(case_\w+)", page.text)) for page in (first, second)]
    assert [len(ids) for ids in rows] == [50, 10]
    assert not rows[0] & rows[1]


async def test_a_case_asked_for_by_its_own_id_is_opened():
    desk = await a_desk(*everything())

    answer = await desk.browser.get(CASES, params={"find": desk.case.case_id})

    assert answer.headers["location"] == f"{CASES}/{desk.case.case_id}"


async def test_an_empty_desk_says_what_will_come():
    desk = await a_desk()

    active = await desk.browser.get(CASES)
    waiting = await desk.browser.get("/operator/attention")

    assert "When a payment fails, its case stands here" in active.text
    assert "Nothing waits for you" in waiting.text


async def test_a_case_tells_what_happens_next_why_and_from_what():
    desk = await a_desk(*everything())

    text = (await desk.browser.get(f"{CASES}/{desk.case.case_id}")).text

    assert "Charge the card" in text
    assert "in 3 days, " in re.sub("<[^>]+>", "", text)
    assert "Next attempt at 13 Nov 2026, 10:00: waits for Friday: short of funds" in text
    assert "An automatic payment of €49.00 was refused" in text
    assert "Attempts on this card by anybody" in text
    assert "2 of 15" in text
    assert "went on to pay" in text
    assert "insufficient_funds, 51" in text


async def test_who_is_held_out_stays_secret_at_the_desk_too():
    case = a_case(1, arm="holdout")
    desk = await a_desk(a_customer(1), case, *a_story(case))

    text = (await desk.browser.get(f"{CASES}/{case.case_id}")).text

    assert "holdout" not in text.lower()


async def test_a_paused_account_is_said_first():
    case = a_case(1)
    desk = await a_desk(a_customer(1), case)
    async with desk.world.store.transaction("mer_1") as tx:
        [account] = await tx.load(ProviderAccount, [("acc_1",)])
        await tx.save([replace(account, paused_reason="the key is refused", paused_at=NOW)])

    shown = await desk.browser.get(f"{CASES}/{case.case_id}")
    waits = await desk.browser.get("/operator/attention")

    assert "The account is paused." in shown.text
    assert "the key is refused" in waits.text
    assert "holdfast accounts resume" in waits.text


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_others_wrote_is_only_ever_words(attack):
    kept = attack.replace("\0", "").encode("utf-8", "ignore").decode()  # as a database can hold it
    case = a_case(1, plan=kept, reason=kept)
    customer: Customer = a_customer(1, name=kept, email=kept)
    letter = a_letter(case, "failed", "payment_failed", subject=kept, recipient=kept)
    desk = await a_desk(customer, case, letter)

    for path in (
        CASES,
        f"{CASES}/{case.case_id}",
        f"{CASES}/{case.case_id}/letters/{letter.message_id}",
    ):
        page = await desk.browser.get(path)

        assert page.status_code == 200
        assert "<script" not in page.text
        assert "<img src=x" not in page.text


# Letters


async def test_a_letter_is_shown_as_it_would_read_now():
    desk = await a_desk(*everything())
    page = await desk.browser.get(f"{CASES}/{desk.case.case_id}")
    path = found(r'href="([^"]+/letters/[^"]+)"', page)

    shown = await desk.browser.get(path)
    frame = found(r'<iframe[^>]* src="([^"]+)"', shown)
    letter = await a_browser(desk.app).get(frame)

    assert "€49.00" in heading(shown)
    assert "€49.00" in letter.text
    assert letter.headers["content-security-policy"].startswith("sandbox ")


@pytest.mark.parametrize("sealed", ["x", "v1.x.y", "%00", "x" * 5000])
async def test_a_frame_without_its_ticket_shows_nothing(sealed):
    desk = await a_desk(*everything())

    assert (await a_browser(desk.app).get(f"/operator/letters/{sealed}")).status_code == 404


async def test_a_ticket_ends_after_ten_minutes():
    time = At()
    desk = await a_desk(*everything(), time=time)
    page = await desk.browser.get(f"{CASES}/{desk.case.case_id}")
    path = found(r'href="([^"]+/letters/[^"]+)"', page)
    frame = found(r'<iframe[^>]* src="([^"]+)"', await desk.browser.get(path))

    time.instant = NOW + timedelta(minutes=10)

    assert (await a_browser(desk.app).get(frame)).status_code == 404


# Commands


def _a_command(told, *, refuses=""):
    async def run(world, caller, case_id, form):
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


async def test_a_row_of_the_table_is_a_button_that_does_it_and_says_so():
    told: list[Any] = []
    desk = await a_desk(*everything(), commands=[_a_command(told)])
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
    desk = await a_desk(*everything(), commands=[_a_command([], refuses="it is on hold")])

    pressed = await desk.presses(f"{CASES}/{desk.case.case_id}/try")

    assert pressed.status_code == 409
    assert "Nothing was changed." in pressed.text
    assert "it is on hold." in pressed.text


async def test_what_no_row_names_cannot_be_done():
    desk = await a_desk(*everything())

    assert (await desk.presses(f"{CASES}/{desk.case.case_id}/explode")).status_code == 404


async def test_a_case_is_offered_only_what_it_allows():
    desk = await a_desk(a_case(1, state=CaseState.STOPPED), commands=[_a_command([])])

    assert "Try it" not in (await desk.browser.get(f"{CASES}/{desk.case.case_id}")).text


# Policies


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


# All pages


async def test_every_page_keeps_itself_to_itself_and_needs_no_script():
    desk = await a_desk(*everything())
    pages = [CASES, f"{CASES}/{desk.case.case_id}", "/operator/attention", "/operator/policies",
             "/operator/policies/default/1", "/operator/sign-in", "/operator/nothing"]  # fmt: skip

    for path in pages:
        page = await desk.browser.get(path)
        policy = page.headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "form-action 'self';" in policy
        assert "script-src" not in policy
        assert "unsafe-inline" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert len(page.content) < 100_000
        assert '<html lang="en">' in page.text
        assert "<title>" in page.text


async def test_a_database_without_an_answer_is_a_page_that_says_what_to_do():
    class Gone(MemoryStore):
        gone = False

        def system(self):
            if self.gone:
                raise StoreUnavailable("no connection")
            return super().system()

    store = Gone()
    desk = await a_desk(*everything(), store=store)
    store.gone = True

    page = await desk.browser.get(CASES)

    assert page.status_code == 503
    assert page.headers["retry-after"] == "5"
    assert "load the page again" in page.text
