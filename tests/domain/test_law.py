"""Each rule of the law: a flow that trips it, or the test that proves that the service keeps it."""

import ast
from datetime import date
from typing import Any

import pytest

from app.domain.compliance.law import RULES, faults_in, may_offer
from app.domain.compliance.rules import Rule
from app.domain.flow_documents import flow_from
from tests.house.sources import ROOT

TODAY = date(2026, 11, 22)
END: list[dict[str, Any]] = [
    {"id": "confirm", "kind": "confirm"},
    {"id": "done", "kind": "success"},
]


def a_flow(*steps: dict[str, Any], **told: Any) -> dict[str, Any]:
    return {"steps": [*steps, *END]} | told


def an_offer(name: str, body: str | None = None) -> dict[str, Any]:
    offer = {"kind": "contact", "url": "https://kelp.example/talk"}
    texts = {"texts": {"en": {"body": body}}} if body else {}
    return {"id": name, "kind": "offer", "offer": offer} | texts


# What breaks a rule that flows may break.
TRIPS: dict[str, dict[str, Any]] = {
    "one-offer": a_flow(an_offer("a"), an_offer("b")),
    "no-shaming": a_flow(an_offer("a", "No thanks, I like paying more.")),
    "no-hurry": a_flow(an_offer("a", "Last chance: today only!")),
    "us-mn-no-offer": a_flow(an_offer("a"), place="US-MN"),
}
STORIES, BROWSER = "tests/stories", "tests/browser"
TWO_CLICKS = f"{BROWSER}/test_leaving.py::test_two_clicks_cancel_and_one_takes_it_back"
AT_ONCE = f"{STORIES}/test_leaving.py::test_whoever_leaves_is_written_to_at_once"
WINDOWS = "tests/domain/test_reminders.py::test_a_policy_that_misses_a_legal_window_is_refused"
SAME_SIZE = (
    f"{BROWSER}/test_leaving_offers.py::test_to_cancel_is_as_large_clear_and_near_as_to_accept"
)
TOLD = f"{STORIES}/test_offers_told.py"
FORMS = f"{STORIES}/test_declaring.py"
BACK = f"{STORIES}/test_withdrawing.py"
# What proves that the service keeps a rule, whatever a flow says.
KEPT: dict[str, str] = {
    "direct-cancel": TWO_CLICKS,
    "survey-optional": f"{STORIES}/test_leaving_pages.py"
    "::test_on_every_screen_one_may_leave_before_any_question",
    "us-state-unknown-no-offer": "tests/api/test_cancel_flows.py"
    "::test_a_preview_shows_what_somebody_there_would_see",
    "confirmation-by-mail": AT_ONCE,
    "never-later-than-period": f"{STORIES}/test_leaving.py"
    "::test_somebody_leaves_at_the_end_of_the_period_and_gets_a_receipt",
    "evidence-three-years": f"{STORIES}/test_leaving.py"
    "::test_what_was_shown_and_said_is_kept_and_no_card_number_with_it",
    "public-form": f"{FORMS}::test_one_page_and_one_button_end_the_contract_at_the_periods_end",
    "withdrawal-function": f"{BACK}::test_by_the_public_form_it_ends_and_all_comes_back",
    "win-back-permission": f"{STORIES}/test_afterwards.py"
    "::test_without_permission_nobody_is_written_to",
    "win-back-later": f"{STORIES}/test_afterwards.py"
    "::test_where_no_offer_may_be_made_nobody_is_won_back_before_the_end",
    "declined-rests": f"{STORIES}/test_staying.py"
    "::test_what_was_turned_down_is_not_offered_again_for_half_a_year",
    "offer-told": f"{TOLD}::test_an_offer_whose_money_nobody_can_tell_is_not_made",
    "consent-kept": f"{TOLD}::test_a_discount_is_told_by_api_and_page_and_is_what_is_then_charged",
    "equal-buttons": SAME_SIZE,
    "us-simple": TWO_CLICKS,
    "us-ca-button-beside-offer": SAME_SIZE,
    "us-ca-notices": WINDOWS,
    "us-ny-notices": WINDOWS,
    "us-ma-notices": WINDOWS,
    "us-ma-easy": TWO_CLICKS,
    "us-mn-notice": f"{STORIES}/test_reminders.py"
    "::test_a_yearly_renewal_is_told_28_7_3_and_2_days_before",
    "us-other-states": TWO_CLICKS,
    "eu-accessible": f"{BROWSER}/test_leaving_accessibility.py"
    "::test_axe_finds_nothing_on_any_screen",
    "eu-all-comes-back": f"{BACK}::test_all_comes_back_as_it_was_told_and_it_ends_now",
    "de-one-page": f"{FORMS}::test_one_page_and_one_button_end_the_contract_at_the_periods_end",
    "fr-sums-up": f"{FORMS}::test_the_french_form_sums_up_before_it_counts",
    "gb-subscriptions": AT_ONCE,
    "in-notice-before-debit": f"{STORIES}/test_doubt.py"
    "::test_a_charge_in_doubt_is_found_out_by_reading",
    "jp-last-screen": f"{TOLD}"
    "::test_a_discount_is_told_by_api_and_page_and_is_what_is_then_charged",
    "au-easy-exit": TWO_CLICKS,
}
RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def test_each_rule_is_tripped_or_proved() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert set(TRIPS) == {rule.id for rule in RULES if rule.check is not None}
    assert set(KEPT) == {rule.id for rule in RULES if rule.kept_by is not None}
    assert not set(TRIPS) & set(KEPT)


@RULE
def test_a_rule_has_its_place_its_day_its_source_and_how_sure_we_are(rule: Rule) -> None:
    assert rule.places
    assert date(2000, 1, 1) < rule.since < date(2030, 1, 1)
    assert rule.source
    assert rule.certainty
    assert rule.says.endswith(".")
    assert (rule.check is None) is (rule.kept_by is not None)


@pytest.mark.parametrize("name", TRIPS)
def test_a_flow_that_breaks_a_rule_is_told_which(name: str) -> None:
    broken = {rule.id for rule, _ in faults_in(flow_from(TRIPS[name]), TODAY)}

    assert broken == {name}


@pytest.mark.parametrize(
    ("told", "path"),
    [
        pytest.param(
            {"reasons": [{"id": "other", "labels": {"en": "I like paying more"}}]},
            "reasons[0].labels.en",
            id="a reason",
        ),
        pytest.param(
            {"reasons": [{"id": "other", "follow_up": {"de": "Nur heute: warum?"}}]},
            "reasons[0].follow_up.de",
            id="its question",
        ),
        pytest.param({"body": "I don\u2019t want to save"}, "steps[0].texts.en.body", id="curly"),
    ],
)
def test_words_that_shame_are_found_wherever_and_however_they_are_written(
    told: dict[str, Any], path: str
) -> None:
    offer = an_offer("a", told.pop("body", None))

    broken = [fault.path for _, fault in faults_in(flow_from(a_flow(offer, **told)), TODAY)]

    assert broken == [path]


@pytest.mark.parametrize("name", KEPT)
def test_what_the_service_keeps_itself_is_proved_by_a_test_that_exists(name: str) -> None:
    path, _, test = KEPT[name].partition("::")
    tree = ast.parse((ROOT / path).read_text())
    named = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert test in named


def test_what_is_not_the_law_yet_binds_nobody() -> None:
    later = [rule for rule in RULES if rule.since > TODAY]

    assert {rule.id for rule in later} == {"gb-subscriptions", "au-easy-exit"}
    assert not any(rule.holds_in(place, TODAY) for rule in later for place in rule.places)


def test_a_place_that_forbids_offers_is_told_by_its_day() -> None:
    assert may_offer("US-MN", date(2024, 12, 31))
    assert not may_offer("US-MN", date(2025, 1, 1))
    assert not may_offer(None, TODAY)
