"""The operator's pages over HTTP: the list, one case, its letters, and what holds for all."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer
from app.ports.store import StoreUnavailable
from app.storage.memory import MemoryStore
from tests.mail.letters import HOSTILE
from tests.pages.desk import (
    CASES,
    PEOPLE,
    a_browser,
    a_case,
    a_customer,
    a_desk,
    a_letter,
    a_story,
    everything,
    found,
    heading,
)
from tests.pages.town import NOW, At

pytestmark = pytest.mark.anyio


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
     "currency=%F0%9F%8E%89", "account=%00", "after=9999-99-99T00:00:00Z~case_1",
     "after=0001-01-01T00:00:00%2B14:00~case_" + "0" * 32,
     "after=9999-12-31T23:59:59-12:00~case_" + "0" * 32],
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
