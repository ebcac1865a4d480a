"""Offers as documents: every kind is parsed, published as a schema, and refused with its place."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.changes import read_change, written
from app.domain.documents import Fault
from app.domain.offers import KINDS, Offer, json_schema, judge, parse, steps
from app.domain.offers.common import Eligible, Refused, Why
from app.domain.standing import Discounted
from tests.offers.facts import MONTHLY, facts, standing

EXAMPLES: dict[str, dict[str, Any]] = {
    "discount": {"percent": 30, "months": 3},
    "pause": {"months": 2},
    "downgrade": {"to": {"price_month": "price_less"}},
    "annual": {"to": {"price_month": "price_year"}},
    "trial_extension": {"days": 7},
    "credit": {"amount_minor": {"usd": 500}},
    "upgrade": {"to": {"price_month": "price_more"}, "months": 2},
    "seats": {"remove": 1},
    "contact": {},
    "redirect": {"url": "https://kelp.example/why"},
    "custom": {"name": "swap"},
}


def example(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": "an-offer", "kind": kind, **EXAMPLES[kind], **more}


def offer(kind: str, **more: Any) -> Offer:
    found = parse(example(kind, **more))
    assert not isinstance(found, tuple), found
    return found


def test_every_kind_has_an_example_and_a_schema() -> None:
    schemas = {one["properties"]["kind"]["const"]: one for one in json_schema()["oneOf"]}

    assert set(EXAMPLES) == set(KINDS) == set(schemas)
    for kind, schema in schemas.items():
        assert set(example(kind)) <= set(schema["properties"])
        assert all(
            field["description"] for name, field in schema["properties"].items() if name != "kind"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_an_offer_that_fits_says_its_changes_and_costs_no_more_than_a_year(kind: str) -> None:
    made = offer(kind)
    known = facts(status="trialing") if kind == "trial_extension" else facts(seats=3)

    judged = judge(made, known)
    asked = steps(made, known, "red_1")

    assert isinstance(judged, Eligible)
    assert 0 <= judged.cost_minor <= 12 * 3 * MONTHLY
    assert bool(asked) is made.gives
    for step in asked:
        assert read_change(written(step.change)) == step.change
        assert step.undo is None or read_change(written(step.undo)) == step.undo


@pytest.mark.parametrize("kind", [kind for kind, one in KINDS.items() if one.gives])
@pytest.mark.parametrize(
    "about",
    [
        {"status": "past_due"},
        {"status": "canceled"},
        {"status": "paused"},
        {"status": "unpaid"},
        {"pending": True},
        {"collection_paused": True},
    ],
    ids=str,
)
def test_nothing_is_given_where_something_is_owed_over_or_under_way(
    kind: str, about: dict[str, Any]
) -> None:
    assert isinstance(judge(offer(kind), facts(seats=3, **about)), Refused)


@pytest.mark.parametrize("kind", ["discount", "annual", "upgrade"])
@pytest.mark.parametrize("where", ["subscription", "customer", "item"])
def test_nothing_is_taken_off_on_top_of_a_discount_wherever_it_stands(
    kind: str, where: str
) -> None:
    plain = standing()
    item = replace(plain.items[0], discounted=True)
    about = {
        "subscription": replace(plain, discounts=(Discounted(id="di_1"),)),
        "customer": replace(plain, customer_discounted=True),
        "item": replace(plain, items=(item,)),
    }

    judged = judge(offer(kind), replace(facts(), standing=about[where]))

    assert judged == Refused(Why.HAS_DISCOUNT)


def test_a_year_that_would_be_in_force_before_it_is_paid_is_not_offered() -> None:
    assert judge(offer("annual"), facts(billed=True)) == Refused(Why.BY_BILL)
    assert judge(offer("annual"), replace(facts(), by_debit=True)) == Refused(Why.BY_DEBIT)


@pytest.mark.parametrize("kind", [kind for kind, one in KINDS.items() if one.gives])
def test_a_schedule_goes_first_and_the_planned_end_is_taken_back(kind: str) -> None:
    about: dict[str, Any] = {"schedule": "sub_sched_1", "cancel_at_period_end": True}
    known = facts(status="trialing" if kind == "trial_extension" else "active", seats=3, **about)
    made = offer(kind)

    ops = [step.change.op for step in steps(made, known, "red_1")]

    assert ops[0] == "release_schedule"
    assert ops[1 if made.ends_first else -1] == "take_back_end"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        pytest.param([], "", id="no mapping"),
        pytest.param({}, "kind", id="no kind"),
        pytest.param({"kind": "bribe"}, "kind", id="an unknown kind"),
        pytest.param({"kind": "discount", "percent": 5}, "id", id="no id"),
        pytest.param(example("discount", percent=101), "percent", id="more than all"),
        pytest.param(example("discount", percent=0), "percent", id="nothing"),
        pytest.param(example("discount", percent=True), "percent", id="no number"),
        pytest.param(example("discount", amount_minor={"usd": 5}), "", id="both ways at once"),
        pytest.param(example("discount", percent=None), "", id="neither way"),
        pytest.param(example("discount", coupon="X"), "coupon", id="an unknown field"),
        pytest.param(example("pause", months=12), "months", id="too long a rest"),
        pytest.param(example("credit", amount_minor={}), "", id="no amount"),
        pytest.param(example("credit", amount_minor={"USD": 5}), "amount_minor", id="a currency"),
        pytest.param(example("redirect", url="http://kelp.example"), "url", id="no https"),
        pytest.param(example("redirect", url="javascript:alert(1)"), "url", id="a script"),
        pytest.param(example("redirect", url="https://a b"), "url", id="a space"),
        pytest.param(example("redirect", url="https:///no-host"), "url", id="no host"),
        pytest.param(example("redirect", url="https://me@kelp.example"), "url", id="a user"),
        pytest.param(example("redirect", url="https://kelp.example:0/"), "url", id="port zero"),
        pytest.param(example("redirect", url="https://kelp.example:x/"), "url", id="no port"),
        pytest.param(
            example("redirect", url="https://faß.example/"), "url", id="a host's two ways"
        ),
        pytest.param(example("redirect", url="https://a/" + "语" * 300), "url", id="sent too long"),
        pytest.param(example("contact", url="https://[::1/"), "url", id="half an address"),
        pytest.param(example("seats", remove=-1), "remove", id="more seats"),
        pytest.param(example("annual", to=[]), "to", id="no prices"),
        pytest.param(example("downgrade", when="later"), "when", id="some other time"),
        pytest.param(example("discount", cool_down_days=-1), "cool_down_days", id="a cool-down"),
    ],
)
def test_what_is_wrong_with_an_offer_is_named_with_its_place(document: Any, path: str) -> None:
    found = parse(document)
    below = parse(document, "steps[2].offer")

    assert isinstance(found, tuple)
    assert isinstance(below, tuple)
    assert found[0].path == path
    assert below[0].path == ".".join(part for part in ("steps[2].offer", path) if part)


FIELDS = ("id", "percent", "months", "amount_minor", "to", "when", "days", "remove", "url", "name")
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 3, 10**30, 2.5, float("nan"), "", "a", "\ud800", "{{7*7}}"),
    *([], [1], {}, {"usd": 1}, {"usd": "1"}, {"usd": None}, {"": 1}, {"price_month": "price_year"}),
)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=3),
)
def test_no_document_is_more_than_an_offer_or_faults(kind: str, terms: dict[str, Any]) -> None:
    found = parse({**example(kind), **terms})

    if isinstance(found, tuple):
        assert found
        assert all(isinstance(one, Fault) for one in found)
    else:
        judge(found, facts(seats=2))
        steps(found, facts(seats=2), "red_1")
