"""Every letter in every language says the same in text and HTML, and in the merchant's colours."""

from datetime import UTC, datetime

import pytest

from app.domain.colours import COLOUR, LEAST_CONTRAST, accents, contrast
from app.domain.languages import LANGUAGES, language_for
from app.domain.messages import AlsoOpen, Look
from app.mail.facts import facts_of
from app.ports.mailer import TemplateFault
from tests.mail.letters import (
    HOSTILE,
    LINK,
    MESSAGES,
    RENDERER,
    WITHOUT_AMOUNT,
    WITHOUT_BUTTON,
    a_full_letter,
    a_letter,
)
from tests.mail.test_letters import read

KELP = Look(
    colour="#ffe45c",
    logo_url="https://cdn.kelp.example/logo.png",
    support="help@kelp.example",
    postal_address="Kelp Ltd, 1 Quay, Port",
    manage_url="https://kelp.example/account",
)
DAYS = {
    "payment_failed": ("next_retry", "last_day"),
    "payment_reminder": ("next_retry", "last_day"),
    "final_notice": ("next_retry", "last_day"),
    "payment_recovered": ("paid_on",),
    "subscription_ended": (),
    "renewal_reminder": ("renews_on", "former", "card", "expires", "manage"),
    "card_expiring": ("renews_on", "card", "expires"),
    "cancellation_confirmed": ("reference", "requested_on", "ends_on", "forgiven", "owed"),
    "withdrawal_confirmed": ("reference", "requested_on", "refunded", "forgiven"),
    "declaration_received": ("reference", "requested_on"),
    "pause_ending": ("renews_on", "card", "expires", "manage"),
    "exit_feedback": ("requested_on", "ends_on"),
    "win_back_before_end": ("requested_on", "ends_on"),
    "win_back": ("requested_on",),
    "we_fixed_it": ("requested_on", "mended"),
}
COLOURS = ["#ffe45c", "#0b5f58", "#000000", "#ffffff", "#777777", "#ff0000", "#00ff00", "#1b2126"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", MESSAGES)
def test_text_and_html_carry_the_same_facts(message, language):
    unsubscribe = "https://pay.example.com/u/abc"
    for plan in ["Team", *HOSTILE.values()]:
        letter = a_full_letter(
            template=message, language=language, plan=plan, look=KELP, unsubscribe_url=unsubscribe
        )
        facts = facts_of(letter, RENDERER.phrases)

        written = RENDERER.render(letter)

        html = read(written.html)
        has_button = message not in WITHOUT_BUTTON
        always = () if message in WITHOUT_AMOUNT or facts["agreed"] else ("amount",)
        told = [facts[n] for n in (*always, "plan", "support", "postal_address", *DAYS[message])]
        for fact in (*told, unsubscribe, *([LINK] if has_button else [])):
            assert " ".join(fact.split()) in " ".join(written.text.split())
            assert " ".join(fact.split()) in html.text
        assert unsubscribe in html.links
        assert (LINK in html.links) == has_button


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_merged_letter_tells_of_every_open_payment_and_its_last_day(language):
    also = (
        AlsoOpen(
            amount_minor=1200,
            currency="eur",
            invoice_number="KW-0150",
            last_day=datetime(2026, 12, 5, 9, tzinfo=UTC),
        ),
        AlsoOpen(amount_minor=700, currency="jpy", plan="<b>Solo</b>"),
    )

    written = RENDERER.render(a_full_letter(template="final_notice", language=language, also=also))

    for text in (written.text, read(written.html).text):
        assert all(fact in text for fact in ("KW-0150", "12", "700", "<b>Solo</b>", "2026"))
    assert "<b>Solo" not in written.html


def test_a_letter_has_the_merchants_colour_logo_and_addresses():
    html = RENDERER.render(a_letter(look=KELP)).html

    assert 'src="https://cdn.kelp.example/logo.png"' in html
    assert accents(KELP.colour).light in html
    assert "Kelp Ltd, 1 Quay, Port" in html


@pytest.mark.parametrize("colour", [*COLOURS, None, "red", "#fff", "#12345g"])
def test_every_colour_becomes_one_that_can_be_read(colour):
    found = accents(colour)

    pairs = [
        (found.light, "#ffffff"),
        (found.light, found.on_light),
        (found.dark, "#1b2126"),
        (found.dark, found.on_dark),
    ]
    assert all(COLOUR.fullmatch(part) for pair in pairs for part in pair)
    assert all(contrast(*pair) >= LEAST_CONTRAST for pair in pairs)


def test_a_renewal_names_who_to_tell_where_there_is_nothing_to_click():
    written = RENDERER.render(
        a_letter(
            template="renewal_reminder",
            link=None,
            renews_at=datetime(2026, 12, 3, 9, tzinfo=UTC),
            look=Look(support="help@kelp.example"),
        )
    )

    assert "please tell Kelpworks before that day: help@kelp.example" in written.text
    assert read(written.html).links == set()
    assert "expired" not in written.text


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        (("de-AT", "en"), "de-AT"),
        (("tlh", "fr"), "fr"),
        (("zh-TW", "es"), "es"),
        (("zh_CN", "es"), "zh_CN"),
        ((None, None), "en"),
        (("x" * 500, ""), "en"),
    ],
)
def test_the_customers_language_comes_first_then_the_merchants(tags, language):
    assert language_for(*tags) == language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", ["payment_failed", "payment_reminder", "final_notice"])
@pytest.mark.parametrize("name", ["Kelpworks", *HOSTILE.values()], ids=["golden", *HOSTILE])
def test_a_short_text_is_one_line_with_the_same_facts(message, language, name):
    letter = a_full_letter(template=message, language=language, merchant_name=name)
    facts = facts_of(letter, RENDERER.phrases)

    text = RENDERER.short(letter)

    needed = ["amount", "last_day"] if message == "final_notice" else ["amount"]
    assert "\n" not in text
    assert len(text) < 240
    assert all(" ".join(facts[part].split()) in " ".join(text.split()) for part in needed)
    assert text.endswith(LINK)


def test_there_is_no_short_text_for_a_letter_that_needs_room():
    with pytest.raises(TemplateFault):
        RENDERER.short(a_full_letter(template="subscription_ended"))
