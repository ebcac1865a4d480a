"""The least amount worth a letter, as a policy document gives it."""

from typing import Any

import pytest

from app.domain.policy_documents import InvalidPolicy, policy_from


def test_each_currency_has_a_bound_of_its_own() -> None:
    policy = policy_from({"materiality_minor": {"usd": 300, "jpy": 500}})

    assert policy.is_material(300, "usd")
    assert not policy.is_material(300, "jpy")
    assert policy.is_material(1, "eur")


@pytest.mark.parametrize(
    ("bounds", "where"),
    [
        (300, "materiality_minor: "),
        ({"USD": 300}, "materiality_minor: each key"),
        ({"usd\n": 300}, "materiality_minor: "),
        ({1: 300}, "materiality_minor: each key"),
        ({"usd": -1}, "materiality_minor.usd: "),
        ({"usd": 2.5}, "materiality_minor.usd: "),
        ({"usd": True}, "materiality_minor.usd: "),
    ],
)
def test_a_bound_that_cannot_be_meant_is_refused_with_its_place(bounds: Any, where: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        policy_from({"materiality_minor": bounds})

    assert str(refused.value).startswith(where)
