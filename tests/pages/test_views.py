"""What the payment page says, in every state and language, to whomever it may be shown."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from app.domain.languages import LANGUAGES
from app.pages.views import (
    PHRASES,
    broken_page,
    done_page,
    link_page,
    preferred,
    unavailable_page,
    unknown_page,
)
from tests.mail.letters import ENDS, HOSTILE, REASONS
from tests.pages.town import a_view

STATES = ("open", "paid", "credited", "late", "ended", "expired", "paused")


def seen(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.split("<body>")[1])).split())


def test_every_language_has_the_same_phrases():
    assert set(PHRASES.languages) == set(LANGUAGES)
    assert len({PHRASES.keys(language) for language in LANGUAGES}) == 1


FACTS = (
    "merchant", "amount", "last_day", "next_retry", "paid_on", "end", "needs", "plan", "ends_on",
)  # fmt: skip


@pytest.mark.parametrize("key", sorted(PHRASES.keys("en")))
def test_every_language_names_the_same_facts_in_a_phrase(key):
    marked = {name: f"<<{name}>>" for name in FACTS}

    named = {
        language: frozenset(re.findall(r"<<(\w+)>>", PHRASES.speaker(language, marked)(key)))
        for language in LANGUAGES
    }

    assert set(named.values()) == {named["en"]}, named


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_the_debt_is_settled_only_no_language_invites_to_begin_again(language):
    settled = seen(link_page(a_view(status="late", language=language), token="t").html)
    offered = a_view(status="late", language=language, restart_to="team@kelp.example")
    invites = seen(link_page(offered, token="t").html)

    restart = PHRASES.speaker(language, {"merchant": offered.merchant_name})("restart")
    assert restart not in settled
    assert invites == f"{settled} {restart}"


@pytest.mark.parametrize("state", ["expired", "ended", "paused"])
def test_a_link_about_no_debt_names_no_amount(state):
    view = a_view(status=state, amount_minor=0, plan=None, invoice_number=None)

    assert "0.00" not in seen(link_page(view, token="t").html)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("needs", ["card", "authenticate", "pay", "something new"])
def test_every_state_has_its_page(state, language, needs):
    for reason in (*REASONS, None, "something new"):
        for end in (*ENDS, None):
            view = a_view(
                status=state, language=language, needs=needs, reason_key=reason, end_action=end
            )

            page = link_page(view, token="t")

            assert "29" in seen(page.html)
            assert f'<html lang="{language}">' in page.html
            assert not re.search(r"{[{%]|[%}]}|None", page.html)
            assert (page.status == 404) == (state == "expired")


def test_an_open_payment_tells_amount_reason_and_what_happens_next():
    text = seen(link_page(a_view(), token="t").html)

    assert "Your payment of €29.00 is still open" in text
    assert "There was not enough money available" in text
    assert "If you do nothing, we will try again automatically on Sunday, November 15" in text
    assert "still unpaid on Tuesday, December 1, 2026, your subscription will be cancelled" in text


def test_only_what_is_owed_has_a_button_that_changes_something():
    forms = {state: "<form" in link_page(a_view(status=state), token="t").html for state in STATES}

    assert forms == {state: state in {"open", "late"} for state in STATES}


def test_a_closed_payment_threatens_nothing():
    for state in ("paid", "ended", "expired", "paused"):
        text = seen(link_page(a_view(status=state), token="t").html)

        assert "December" not in text
        assert "again automatically" not in text


def test_a_paid_invoice_says_when():
    view = a_view(status="paid", paid_at=datetime(2026, 11, 16, 9, tzinfo=UTC))

    assert "arrived on Monday, November 16, 2026" in seen(link_page(view, token="t").html)


def test_coming_back_claims_no_payment_that_has_not_arrived():
    waiting = seen(done_page(a_view(), token="t").html)
    arrived = seen(done_page(a_view(status="paid"), token="t").html)

    assert "We will write to you as soon as the payment has arrived" in waiting
    assert "This invoice is paid" in arrived


def test_a_state_nobody_knows_is_told_as_closed():
    assert "no longer collected" in link_page(a_view(status="something new"), token="t").html


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_are_only_ever_words(attack):
    hostile = a_view(merchant_name=attack, plan=attack, invoice_number=attack)

    html = link_page(hostile, token="t").html

    plain = link_page(a_view(), token="t").html
    tag = re.compile(r"<[a-z!/][^>]*>", re.IGNORECASE)
    assert [t.split()[0] for t in tag.findall(html)] == [t.split()[0] for t in tag.findall(plain)]
    html.encode()


@pytest.mark.parametrize(
    ("accepts", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,en;q=0.8", "de"),
        ("it,de;q=0.5,en;q=0.4", "de"),
        ("zh-CN,zh;q=0.9", "zh-Hans"),
        ("zh-TW,es;q=0.9", "es"),
        ("en;q=0.4,de;q=0.5", "de"),
        ("fr", "fr"),
        ("it", "en"),
        ("*", "en"),
        ("de;q=x", "en"),
        ("de;q=0", "en"),
        (",;=" * 5000, "en"),
    ],
)
def test_a_page_for_nobody_speaks_the_browsers_language(accepts, language):
    assert preferred(accepts) == language
    assert f'<html lang="{language}">' in unknown_page(accepts).html


def test_what_cannot_be_shown_says_that_nothing_was_charged():
    pages = {
        404: unknown_page(),
        503: broken_page(),
        "provider": unavailable_page(a_view(), token="t"),
    }

    assert [page.status for page in pages.values()] == [404, 503, 503]
    assert all("Nothing was charged" in page.html for page in pages.values())


def test_a_service_below_a_path_links_below_it():
    html = link_page(a_view(), token="t", root="/billing").html

    assert 'action="/billing/p/t"' in html
    assert 'href="/billing/assets/holdfast.' in html


def test_after_our_end_the_page_settles_the_debt_only_and_says_so():
    told = link_page(a_view(status="late", needs="pay"), token="t")

    assert "settles this invoice only" in told.html
    assert '<form method="post"' in told.html
