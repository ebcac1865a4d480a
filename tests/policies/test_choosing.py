"""Which policy a failure gets: the most particular that applies, in an order that never varies."""

from itertools import permutations
from typing import Any

import pytest

from app.domain.choosing import Failing, choose, failing
from app.domain.policies import Policy
from app.domain.policy_documents import policy_from
from tests.api.stage import a_case
from tests.domain.builders import ACCOUNT, a_subscription
from tests.storage.builders import customer

OTHERWISE = Policy(name="default")


def a_policy(name: str, **applies_to: Any) -> Policy:
    return policy_from({"name": name, "applies_to": applies_to})


def a_failing(**more: Any) -> Failing:
    given: dict[str, Any] = {
        "plans": frozenset({"Team", "price_1"}),
        "interval": "month",
        "currency": "eur",
        "amount_minor": 5000,
        "segment": {"tier": "gold"},
    }
    return Failing(**(given | more))


@pytest.mark.parametrize(
    ("applies_to", "other"),
    [
        pytest.param({"plans": ["Team"]}, {"plans": frozenset({"Solo"})}, id="plan"),
        pytest.param({"plans": ["price_1"]}, {"plans": frozenset({"Team"})}, id="price id"),
        pytest.param({"interval": ["month"]}, {"interval": "year"}, id="interval"),
        pytest.param({"interval": ["month"]}, {"interval": None}, id="no interval"),
        pytest.param({"currency": ["eur"]}, {"currency": "usd"}, id="currency"),
        pytest.param({"amount_minor": {"min": 5000}}, {"amount_minor": 4999}, id="least amount"),
        pytest.param({"amount_minor": {"max": 5000}}, {"amount_minor": 5001}, id="largest amount"),
        pytest.param({"segment": {"tier": ["gold"]}}, {"segment": {"tier": "tin"}}, id="segment"),
        pytest.param({"segment": {"tier": ["gold"]}}, {"segment": {}}, id="no segment"),
        pytest.param({"trial_conversion": "never"}, {"trial_conversion": True}, id="no trials"),
    ],
)
def test_a_policy_is_for_what_it_names(applies_to: Any, other: Any) -> None:
    policy = a_policy("mine", **applies_to)

    assert choose([policy], a_failing(), otherwise=OTHERWISE) is policy
    assert choose([policy], a_failing(**other), otherwise=OTHERWISE) is OTHERWISE


def test_trial_conversions_may_have_a_policy_of_their_own() -> None:
    trials = a_policy("trials", trial_conversion="only")

    assert choose([trials], a_failing(trial_conversion=True), otherwise=OTHERWISE) is trials
    assert choose([trials], a_failing(), otherwise=OTHERWISE) is OTHERWISE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            {"plans": ["Team"], "interval": ["month"]}, {"segment": {"tier": ["gold"]}}, id="more"
        ),
        pytest.param({"segment": {"tier": ["gold"]}}, {"plans": ["Team"]}, id="segment first"),
        pytest.param({"plans": ["Team"]}, {"amount_minor": {"min": 1}}, id="plan before amount"),
        pytest.param({"amount_minor": {"min": 1}}, {"currency": ["eur"]}, id="amount, currency"),
        pytest.param({"currency": ["eur"]}, {"interval": ["month"]}, id="currency, interval"),
    ],
)
def test_the_more_particular_policy_wins_however_they_are_listed(one: Any, other: Any) -> None:
    winner, loser = a_policy("z", **one), a_policy("a", **other)

    chosen = [
        choose(order, a_failing(), otherwise=OTHERWISE).name
        for order in permutations([winner, loser, OTHERWISE])
    ]

    assert set(chosen) == {"z"}


def test_of_two_that_name_the_same_the_first_by_name_wins() -> None:
    pair = [a_policy("b", plans=["Team"]), a_policy("a", plans=["Team", "Solo"])]

    assert choose(pair, a_failing(), otherwise=OTHERWISE).name == "a"


def test_the_subscriptions_metadata_go_before_the_customers() -> None:
    case = a_case(ACCOUNT)
    person = customer(metadata={"tier": "tin", "region": "north"})
    subscription = a_subscription(metadata={"tier": "gold"}, items=({"price": "price_9"},))

    facts = failing(case, subscription, person)

    assert facts.segment == {"tier": "gold", "region": "north"}
    assert facts.plans == {"Team", "price_9"}
