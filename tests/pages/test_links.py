"""The page behind a link, over HTTP: looking changes nothing, the button leads away."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.declines import DeclineKind
from app.domain.dunning import CaseState, Waits
from app.domain.mirror import InvoiceStatus
from app.domain.paces import ASKS_A_MINUTE
from app.domain.policies import Policy
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import StoreUnavailable
from app.storage.memory import MemoryStore
from tests.pages.town import NOW, TOKEN, Provider, Town, a_case, a_town, an_invoice

pytestmark = pytest.mark.anyio
PATH = f"/p/{TOKEN}"


async def test_a_look_shows_the_payment_and_changes_nothing():
    town = await a_town()
    before = deepcopy(town.store.rows)

    for _ in range(3):
        shown = await town.browser.get(PATH)

    assert shown.status_code == 200
    assert "€29.00" in shown.text
    assert town.provider.asked == 0
    assert await town.links_followed() == []
    assert town.store.rows == before


async def test_scanners_that_only_ask_for_the_head_are_answered():
    town = await a_town()

    assert (await town.browser.head(PATH)).status_code == 200


async def test_the_button_leads_to_a_page_made_at_that_moment():
    town = await a_town()

    gone = await town.browser.post(PATH)

    assert gone.status_code == 303
    assert gone.headers["location"] == "https://checkout.provider.example/c/1"
    assert town.provider.asked == 1
    assert [event.kind for event in await town.links_followed()] == ["went_to_provider"]


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        pytest.param({"link": {"expires_at": NOW}}, 404, "expired", id="expired"),
        pytest.param({"link": {"revoked_at": NOW}}, 404, "expired", id="revoked"),
        pytest.param(
            {"invoice": {"status": InvoiceStatus.PAID, "paid_at": NOW}}, 200, "is paid", id="paid"
        ),
        pytest.param({"case": {"state": CaseState.STOPPED}}, 200, "no longer", id="stopped"),
        pytest.param({"account": {"paused_reason": "key"}}, 200, "not possible", id="paused"),
    ],
)
async def test_where_there_is_nothing_to_pay_nothing_is_made(method, changes, status, says):
    town = await a_town(**changes)

    answer = await getattr(town.browser, method)(PATH)

    assert answer.status_code == status
    assert says in answer.text
    assert town.provider.asked == 0


@pytest.mark.parametrize("paid", [{}, {"status": InvoiceStatus.PAID, "paid_at": NOW}])
async def test_a_link_of_somebody_who_was_erased_tells_nothing_of_what_they_owed_or_paid(paid):
    town = await a_town()
    open_page = (await town.browser.get(PATH)).text
    erased = await a_town(link={"revoked_at": NOW}, invoice=paid)

    answer = await erased.browser.get(PATH)

    assert '<dl class="facts">' in open_page
    assert answer.status_code == 404
    assert '<dl class="facts">' not in answer.text


@pytest.mark.parametrize("path", ["/p/unknown", "/p/" + "x" * 3000, "/p/%00", "/p/%F0%9F%8E%89"])
@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_link_that_never_was_is_not_found(method, path):
    town = await a_town()

    answer = await getattr(town.browser, method)(path, headers={"accept-language": "de"})

    assert answer.status_code == 404
    assert "Diesen Link kennen wir nicht" in answer.text


@pytest.mark.parametrize(
    "failure",
    [ProviderUnavailable("timeout"), ProviderRefused("no such customer"), AccountRefused("key")],
)
async def test_a_provider_without_an_answer_charges_nothing_and_says_so(failure):
    town = await a_town(provider=Provider(fails=failure))

    answer = await town.browser.post(PATH)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert "Nothing was charged" in answer.text


@pytest.mark.parametrize(
    "page", ["javascript:alert(1)", "http://provider.example/", "//x.example", "", "data:x"]
)
async def test_nobody_is_sent_to_an_unsafe_place(page):
    town = await a_town(provider=Provider(page=page))

    answer = await town.browser.post(PATH)

    assert answer.status_code == 503
    assert "location" not in answer.headers


async def test_the_sandbox_on_this_machine_may_be_the_provider():
    town = await a_town(provider=Provider(page="http://127.0.0.1:4242/c/1"))

    assert (await town.browser.post(PATH)).headers["location"] == "http://127.0.0.1:4242/c/1"


async def test_a_bank_that_wants_to_ask_gets_the_invoice_page():
    town = await a_town(case={"decline_kind": DeclineKind.CUSTOMER_AUTHENTICATE})

    shown = await town.browser.get(PATH)

    assert "Confirm the payment" in shown.text


async def test_the_page_speaks_the_customers_language():
    town = await a_town(customer={"language": "de"})

    shown = await town.browser.get(PATH, headers={"accept-language": "en"})

    assert "Ihre Zahlung über 29,00\u00a0€ ist noch offen" in shown.text


async def test_coming_back_before_the_money_says_that_it_is_on_its_way():
    town = await a_town()

    back = await town.browser.get(PATH + "/done")

    assert back.status_code == 200
    assert "See whether it has arrived" in back.text


async def test_a_database_without_an_answer_is_a_page_and_not_an_error():
    class Gone(MemoryStore):
        def system(self):
            raise StoreUnavailable("no connection")

    town = await a_town(store=Gone())

    for answer in (await town.browser.get(PATH), await town.browser.post(PATH)):
        assert answer.status_code == 503
        assert "Nothing was charged" in answer.text


@pytest.mark.parametrize("path", [PATH, PATH + "/done", "/p/unknown"])
async def test_every_page_keeps_itself_to_itself(path):
    town = await a_town()

    headers = (await town.browser.get(path)).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert "set-cookie" not in headers


async def test_a_page_needs_a_few_files_and_those_are_kept():
    town = await a_town()
    shown = (await town.browser.get(PATH)).text
    style = shown.split('rel="stylesheet" href="')[1].split('"')[0]

    served = await town.browser.get(style)

    assert served.status_code == 200
    assert served.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in served.headers["cache-control"]
    script = shown.split('<script src="')[1].split('"')[0]
    assert (await town.browser.get(script)).headers["content-type"].startswith("text/javascript")
    assert (await town.browser.get("/assets/nothing.css")).status_code == 404


async def test_who_presses_more_often_than_anybody_needs_is_asked_to_wait():
    town = await a_town()

    pressed = [await town.browser.post(PATH) for _ in range(ASKS_A_MINUTE + 1)]
    looked = await town.browser.get(PATH, headers={"accept-language": "de"})

    assert [answer.status_code for answer in pressed] == [303] * ASKS_A_MINUTE + [429]
    assert town.provider.asked == ASKS_A_MINUTE
    assert 1 <= int(pressed[-1].headers["retry-after"]) <= 60
    assert (looked.status_code, "Zu oft auf einmal" in looked.text) == (429, True)


async def test_a_link_of_one_purpose_opens_no_other():
    town = await a_town(link={"purpose": "unsubscribe"})

    assert (await town.browser.get(PATH)).status_code == 404


async def test_a_link_outlives_its_clock_by_nothing():
    town = await a_town(link={"expires_at": NOW + timedelta(seconds=1)})

    assert (await town.browser.get(PATH)).status_code == 200


async def test_a_person_before_the_page_is_noted_once():
    town = await a_town()

    for _ in range(3):
        answer = await town.browser.post(PATH + "/opened")

    assert answer.status_code == 204
    assert [event.kind for event in await town.links_followed()] == ["opened"]


@pytest.mark.parametrize("token", ["unknown", "x" * 3000, "%00", "%F0%9F%8E%89"])
async def test_who_says_to_have_opened_a_link_that_never_was_learns_nothing(token):
    town = await a_town()

    answer = await town.browser.post(f"/p/{token}/opened")

    assert answer.status_code == 204
    assert await town.links_followed() == []


@pytest.mark.parametrize("headers", [{"sec-purpose": "prefetch"}, {"user-agent": "scanner"}])
@pytest.mark.parametrize("path", [PATH, PATH + "/done", PATH + "/opened"])
async def test_whoever_only_looks_changes_nothing(path, headers):
    town = await a_town()
    before = deepcopy(town.store.rows)

    for ask in (town.browser.get, town.browser.head):
        await ask(path, headers=headers)

    assert town.store.rows == before


async def with_two(**second: Any) -> Town:
    """The customer owes a second invoice, two days younger and of another amount."""
    town = await a_town()
    invoice = replace(an_invoice(), invoice_id="in_2", number="KW-0143")
    case = replace(
        a_case(),
        case_id="case_2",
        invoice_id="in_2",
        due_minor=1100,
        opened_at=NOW - timedelta(days=1),
    )
    async with town.store.transaction("mer_1") as tx:
        await tx.save([invoice])
        await tx.save([replace(case, **second)])
    return town


async def test_one_page_shows_all_that_is_overdue():
    town = await with_two()

    shown = (await town.browser.get(PATH)).text

    assert "Several payments are still open, €40.00 in all" in shown
    assert shown.index("KW-0142") < shown.index("KW-0143")
    assert "One card pays all of them" in shown


async def test_what_is_held_or_settled_is_not_asked_for():
    town = await with_two(waits=Waits.ON_HOLD)

    shown = (await town.browser.get(PATH)).text

    assert "€29.00" in shown
    assert "KW-0143" not in shown


async def test_a_link_whose_own_invoice_is_paid_leads_on_to_the_next():
    town = await with_two()
    async with town.store.transaction("mer_1") as tx:
        await tx.save([replace(an_invoice(), status=InvoiceStatus.PAID)])
        await tx.save([replace(a_case(), state=CaseState.RECOVERED)])

    shown = (await town.browser.get(PATH)).text

    assert "Your payment of €11.00 is still open" in shown


async def test_after_the_end_the_oldest_invoice_is_paid_first():
    owed: dict[str, Any] = {"state": CaseState.EXHAUSTED}
    town = await with_two(**owed)
    async with town.store.transaction("mer_1") as tx:
        await tx.save([replace(a_case(), **owed)])

    shown = (await town.browser.get(PATH)).text
    await town.browser.post(PATH)

    (went,) = await town.links_followed()
    assert "one of them of €29.00" in shown
    assert "one after the other" in shown
    assert went.data == {"page": "invoice", "invoice": "in_1"}


@pytest.mark.parametrize(
    ("late_payment", "offers"), [("offer_restart", True), ("settle_only", False)]
)
async def test_a_restart_is_offered_where_the_policy_does(late_payment, offers):
    town = await a_town(
        case={"state": CaseState.EXHAUSTED}, policy=Policy(late_payment=late_payment)
    )

    shown = (await town.browser.get(PATH)).text

    assert "does not start the subscription again" in shown
    assert ("mailto:billing@localhost" in shown) is offers
