"""A merchant's own words: what may be written, and that nothing required gets lost."""

import time

import pytest

from app.domain.languages import LANGUAGES
from app.domain.messages import Look, Wording
from app.mail.wordings import REQUIRED
from app.ports.mailer import BadWording
from tests.mail.letters import HOSTILE, LINK, MESSAGES, RENDERER, WITHOUT_BUTTON, a_full_letter

GOOD = Wording(
    subject="{{ merchant }}: {{ amount }}",
    heading="About your {% if plan %}{{ plan }} {% endif %}subscription",
    body="Dear {{ name }},\n\n{{ amount }} by {{ last_day }} or {{ renews_on }}.\n\n{{ reason }}",
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", MESSAGES)
def test_own_words_are_used_and_our_facts_stay(message, language):
    RENDERER.require_good(message, language, GOOD)

    written = RENDERER.render(a_full_letter(template=message, language=language, wording=GOOD))

    assert written.subject.startswith("Kelpworks: ")
    assert "About your Team subscription" in written.html
    assert "Dear Ada Example," in written.text
    assert (LINK in written.text) == (message not in WITHOUT_BUTTON)


@pytest.mark.parametrize(
    "body",
    [
        "{% for x in range(99999999) %}x{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ merchant.upper() }}",
        "{{ merchant|upper }}",
        "{{ 'a' * 999999999 }}",
        "{{ 9 ** 99999 }}",
        "{% set x = 1 %}{{ x }}",
        "{% include 'shared/letter.txt.j2' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ say('closing') }}",
        "{{ nobody }}",
        "{{ self }}",
        "{{ cycler }}",
        "{{",
        "{% if merchant %}",
        "{% if merchant %}" * 7 + "x" + "{% endif %}" * 7,
        "{% if merchant %}" * 300 + "x" + "{% endif %}" * 300,
        "x" * 6001,
        "   ",
        "{{ (((((merchant))))) }}{{ merchant[0] }}",
        "{{ [merchant] }}",
        "{{ {'a': merchant} }}",
    ],
)
def test_what_is_not_text_names_and_conditions_is_refused_at_once(body):
    started = time.monotonic()

    with pytest.raises(BadWording) as refused:
        RENDERER.require_good("payment_failed", "en", Wording(subject="s", heading="h", body=body))

    assert refused.value.part == "body"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("part", ["subject", "heading", "body"])
def test_the_part_that_is_wrong_is_named(part):
    words = {"subject": "s", "heading": "h", "body": "b"} | {part: "{{ nobody }}"}

    with pytest.raises(BadWording) as refused:
        RENDERER.require_good("payment_failed", "en", Wording(**words))

    assert refused.value.part == part
    assert "nobody" in refused.value.why


@pytest.mark.parametrize("message", ["final_notice", "renewal_reminder"])
def test_a_final_notice_names_its_day_and_a_reminder_its_renewal(message):
    with pytest.raises(BadWording, match="must say"):
        RENDERER.require_good(
            message, "en", Wording(subject="s", heading="h", body="Pay {{ amount }}.")
        )


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_in_own_words_are_only_ever_words(attack):
    letter = a_full_letter(merchant_name=attack, customer_name=attack, plan=attack, wording=GOOD)

    written = RENDERER.render(letter)

    assert "<script" not in written.html
    assert "<img" not in written.html
    assert "\n" not in written.subject
    assert "49" not in written.subject


def test_markup_in_own_words_is_text():
    own = Wording(subject="s", heading="<b>h</b>", body="<a href='https://x.example'>y</a>")

    html = RENDERER.render(a_full_letter(wording=own)).html

    assert "<b>h" not in html
    assert "https://x.example'>" not in html


def test_every_letter_says_what_it_must():
    assert set(REQUIRED) == set(MESSAGES)


def test_a_sample_looks_like_the_merchants_letters():
    look = Look(logo_url="https://cdn.kelp.example/l.png")

    written = RENDERER.sample("final_notice", "fr", GOOD, look)

    assert "Example: 29,00" in written.subject.replace("\u202f", " ").replace("\xa0", " ")
    assert "https://cdn.kelp.example/l.png" in written.html
