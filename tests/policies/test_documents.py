"""Policy documents: every fault with its place and its reason, and nothing else refused."""

from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings

from app.domain.policies import Policy
from app.domain.policy_documents import InvalidPolicy, document_of, policy_from
from app.domain.policy_fields import DOCUMENT, json_schema
from app.resources import resource
from tests.policies.documents import fitting, meaningful, twisted

FREE = {"end": {"subscription": "leave", "invoice": "leave"}}
PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)
SCHEMA = jsonschema_rs.validator_for(json_schema())


def faults(document: Any) -> list[str]:
    with pytest.raises(InvalidPolicy) as refused:
        policy_from(document)
    return [str(fault) for fault in refused.value.faults]


def a_row(template: str = "payment_reminder", step: str = "s", **when: Any) -> dict[str, Any]:
    return {"step": step, "template": template, "when": when}


def test_the_shipped_policy_says_what_is_left_out() -> None:
    shipped = yaml.safe_load((resource("policies") / "default.yaml").read_text())

    assert policy_from(shipped) == policy_from({})


def test_the_defaults_of_the_values_are_those_of_the_document() -> None:
    assert policy_from({**FREE, "messages": []}) == Policy(end=policy_from(FREE).end)


@PATIENT
@given(document=fitting(DOCUMENT))
def test_a_document_of_the_right_shapes_fits_validator_and_schema(document: Any) -> None:
    assert SCHEMA.is_valid(document)
    assert not list(DOCUMENT.faults(document, ""))


@PATIENT
@given(document=meaningful())
def test_a_policy_makes_a_document_that_makes_the_policy(document: Any) -> None:
    try:
        policy = policy_from(document)
    except InvalidPolicy:
        assume(False)

    assert policy_from(document_of(policy), version=policy.version) == policy
    assert SCHEMA.is_valid(document_of(policy))


@PATIENT
@given(document=twisted())
def test_the_published_schema_refuses_what_the_validator_refuses(document: Any) -> None:
    assert SCHEMA.is_valid(document) == (not list(DOCUMENT.faults(document, "")))


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], "must be a mapping"),
        ({"retry": []}, "retry: must be a mapping"),
        ({"retry": {"window_days": 0}}, "retry.window_days: must be a whole number from 1 to 90"),
        ({"retry": {"window_days": 91}}, "retry.window_days: must be a whole number from 1 to 90"),
        (
            {"retry": {"max_attempts": 16}},
            "retry.max_attempts: must be a whole number from 0 to 15",
        ),
        (
            {"retry": {"max_attempts": True}},
            "retry.max_attempts: must be a whole number from 0 to 15",
        ),
        (
            {"retry": {"min_spacing_hours": 0}},
            "retry.min_spacing_hours: must be a whole number from 20 to 720",
        ),
        (
            {"retry": {"strategy": "fixed"}},
            "retry.days: the strategy `fixed` needs at least one day",
        ),
        ({"retry": {"days": [3]}}, "retry.days: only the strategy `fixed` has days"),
        (
            {"retry": {"strategy": "fixed", "days": [3, 3]}},
            "retry.days[1]: must be later than the day before it",
        ),
        (
            {"retry": {"strategy": "fixed", "days": [29]}},
            "retry.days[0]: lies after the window of 28 days",
        ),
        (
            {"end": {"subscripton": "leave"}},
            "end.subscripton: is not known here; known are invoice, subscription",
        ),
        ({"name": "schema"}, "name: `schema` is a word of the API's paths"),
        (
            {"applies_to": {"amount_minor": {"min": 2, "max": 1}}},
            "applies_to.amount_minor.max: is below `min`: no amount fits",
        ),
        ({"applies_to": {"plans": []}}, None),
        ({"applies_to": {"segment": {"tier": "gold"}}}, None),
        (
            {"access": {"grace_days": 15}},
            "access.restricted_day: comes before the level that is milder",
        ),
        (
            {"access": {"grace_days": 30, "restricted_day": None}},
            "access.blocked_day: comes before the level that is milder",
        ),
        ({"collection": "drive"}, "collection: must be one of `as_account`, `observe`"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(document: Any, fault: str | None) -> None:
    found = faults(document)

    assert len(found) == 1
    assert fault is None or found == [fault]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([a_row()], "messages[0].when: needs one of `day`, `before_end` and `on`, and one only"),
        (
            [a_row(day=1, before_end=1)],
            "messages[0].when: needs one of `day`, `before_end` and `on`, and one only",
        ),
        (
            [a_row(before_end=1, on_failure=2)],
            "messages[0].when.on_failure: brings a `day` forward, and there is none",
        ),
        ([a_row(day=29)], "messages[0].when.day: lies outside the window of 28 days"),
        ([a_row(before_end=29)], "messages[0].when.before_end: lies outside the window of 28 days"),
        (
            [a_row(day=1), a_row(day=2)],
            "messages[1].step: stands there already for the same class",
        ),
        (
            [a_row(day=1), a_row(day=2, **{"class": "card"})],
            "messages[1].step: stands there already for the same class",
        ),
        (
            [a_row("payment_recovered", day=1)],
            "messages[0].when: `payment_recovered` is told by `on: recovered`",
        ),
        (
            [a_row("payment_failed", on="ended")],
            "messages[0].when: `payment_failed` is told by a day, not `on`",
        ),
        ([{"step": "s", "when": {}}], "messages[0].template: is missing"),
    ],
)
def test_a_message_row_is_refused_by_name(rows: list[Any], fault: str) -> None:
    assert faults({**FREE, "messages": rows}) == [fault]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        pytest.param(
            [],
            "messages: an end needs a `final_notice` for every class of refusal; without one set "
            "`end.subscription` and `end.invoice` to `leave`",
            id="no letters at all",
        ),
        pytest.param(
            [a_row("final_notice", before_end=2)],
            "messages[0].when: a final notice goes out 3 days before the end",
            id="too late",
        ),
        pytest.param(
            [a_row("final_notice", day=26)],
            "messages[0].when: a final notice goes out 3 days before the end",
            id="on a day too late",
        ),
        pytest.param(
            [
                a_row("final_notice", "a", before_end=3, **{"class": "card"}),
                a_row("final_notice", "b", before_end=3, **{"class": "soft"}),
            ],
            "messages: final notices for different classes are one step",
            id="two steps",
        ),
    ],
)
def test_no_end_without_a_final_notice_in_time(rows: list[Any], fault: str) -> None:
    assert faults({"messages": rows}) == [fault]


def test_several_faults_are_told_at_once() -> None:
    found = faults({"retry": {"window_days": 0, "max_attempts": -1}, "end": {"invoice": "burn"}})

    assert len(found) == 3


@pytest.mark.parametrize(
    "hostile",
    [
        {"name": "\ud800"},
        {"name": "a\n"},
        {"name": "A"},
        {"a" * 10_000: 1},
        {"\x00": 1},
        {"messages": [{}] * 51},
        {"messages": {"step": 1}},
        {"materiality_minor": {"usd\n": 1}},
        {"retry": {"window_days": float("nan")}},
        {"retry": {"window_days": 10**400}},
        {"retry": {"window_days": "28"}},
        {"applies_to": {"plans": ["a\x00"]}},
        {"applies_to": {"segment": {str(n): ["a"] for n in range(11)}}},
        {1: 2},
        None,
        "default",
    ],
)
def test_a_hostile_document_is_refused_and_not_repeated(hostile: Any) -> None:
    found = faults(hostile)

    assert found
    assert not any(len(fault) > 400 or "\x00" in fault or "\n" in fault for fault in found)
