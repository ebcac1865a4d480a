"""An offer is named in every language, with its amount as it will be charged."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.languages import LANGUAGES
from app.domain.offers import KINDS, parse
from app.domain.offers.quotes import Quote, quote_document, quote_from
from app.words.leaving import PHRASES, Tongue, every_phrase, kept_elsewhere, named, offered
from tests.domain.builders import on_day

QUOTE = Quote(kind="discount", currency="jpy", next_minor=700, next_at=on_day(3), dated=on_day(0))
# Their words are the merchant's.
ELSEWHERE = {"contact", "redirect", "custom"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "discount": {"percent": 30, "months": 3},
    "pause": {"months": 2},
    "trial_extension": {"days": 7},
    "credit": {"amount_minor": {"jpy": 1200}},
    "upgrade": {"months": 3},
    "seats": {"remove": 2},
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_ours_is_named(language: str) -> None:
    tongue = Tongue(language=language, time_zone="UTC")
    for kind in set(KINDS) - ELSEWHERE:
        (said,) = named({"kind": kind, **EXAMPLES.get(kind, {})}, QUOTE, tongue)

        assert said
        assert "{" not in said
    assert all(named({"kind": kind}, QUOTE, tongue) == [] for kind in ELSEWHERE)


def test_months_and_amounts_are_written_as_people_write_them() -> None:
    tongue = Tongue(language="en", time_zone="UTC")
    terms = {"kind": "discount", "amount_minor": {"jpy": 500}}

    assert named(terms, QUOTE, tongue) == ["¥500 off, once."]
    assert named({"kind": "discount", "percent": 5, "months": 1}, QUOTE, tongue) == [
        "5% off for 1 month."
    ]
    assert named({"kind": "pause"}, QUOTE, tongue) == [
        "A pause of 1 month: nothing is charged meanwhile."
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_charged_after_a_single_cheaper_charge_is_told(language: str) -> None:
    tongue = Tongue(language=language, time_zone="UTC")
    once, lasting = replace(QUOTE, then_minor=1400), replace(QUOTE, then_minor=700)

    assert "1,400" in offered(once, tongue)[-1].replace(".", ",").replace("\u202f", ",")
    assert len(offered(lasting, tongue)) == len(offered(once, tongue)) - 1


def test_a_quote_survives_being_kept() -> None:
    assert quote_from(quote_document(QUOTE)) == QUOTE
    assert quote_from(None) is None


def test_what_is_kept_elsewhere_names_no_money() -> None:
    tongue = Tongue(language="en", time_zone="UTC")

    assert offered(Quote(kind="contact", currency="usd"), tongue) == []
    assert offered(None, tongue) == []


@given(st.text(max_size=60), st.sampled_from(["", "kelp.example/", "kelp.example:8443/"]))
@example("?q=ü&r=\"'<>\\^`{|}", "kelp.example/")
def test_every_address_that_is_taken_leads_there(rest: str, host: str) -> None:
    terms = {"kind": "redirect", "url": f"https://{host}{rest}"}
    if isinstance(parse({"id": "there", **terms}), tuple):
        return

    shown = kept_elsewhere(terms, Tongue(language="en", time_zone="UTC"))

    assert shown is not None
    assert shown.link is not None
    assert shown.link[1].isascii()
    assert urlsplit(shown.link[1]).hostname == urlsplit(terms["url"]).hostname


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_widgets_words_are_whole_in_every_language(language: str) -> None:
    assert set(every_phrase(language)) == set(every_phrase("en"))
    assert PHRASES.keys(language) == PHRASES.keys("en")
