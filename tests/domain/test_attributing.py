"""Whose a payment was, where a charge of ours is in doubt and the provider retries as well."""

from typing import Any

import pytest

from app.domain.attributing import tries_of_the_provider
from app.domain.dunning import Attempt, AttemptState, Trigger
from app.domain.mirror import Payment
from tests.domain.builders import a_payment, an_invoice, on_day


def ours(**more: Any) -> Attempt:
    """A charge in doubt, intended on the third day, when the provider had tried twice."""
    told = {"number": 3, "trigger": Trigger.NEW_CARD, "state": AttemptState.UNKNOWN}
    return attempt(told | {"intent_at": on_day(3), "attempt_count": 2} | more)


def theirs(day: float) -> Attempt:
    """A retry of the provider's that is on record."""
    told = {"number": 4, "trigger": Trigger.PROVIDER, "state": AttemptState.DECLINED}
    return attempt(told | {"intent_at": on_day(day), "provider_ref": f"ch_{day:g}"})


def attempt(more: dict[str, Any]) -> Attempt:
    given: dict[str, Any] = {
        "attempt_id": f"att_{more['number']}",
        "merchant_id": "mer_1",
        "account_id": "acc_1",
        "case_id": "case_1",
        "currency": "usd",
        "amount_minor": 3000,
    }
    return Attempt(**(given | more))


def payment(day: float, status: str = "failed", **more: Any) -> Payment:
    return a_payment(on_day(day), status, charge_id=f"ch_{day:g}", **more)


@pytest.mark.parametrize(
    ("attempts", "count", "seen", "provider"),
    [
        pytest.param([ours()], 2, [3], [], id="the count stands: it is ours"),
        pytest.param([ours()], 3, [4], ["ch_4"], id="it rose by one: the provider's"),
        pytest.param([ours()], 3, [3, 4], ["ch_4"], id="ours left first, the newest is theirs"),
        pytest.param([ours()], 4, [4, 5], ["ch_4", "ch_5"], id="it rose by two: both"),
        pytest.param([ours(), theirs(4)], 3, [4, 5], [], id="the rise is on record already"),
        pytest.param([ours(), theirs(2)], 3, [2, 4], ["ch_4"], id="one before ours is no rise"),
        pytest.param([ours(attempt_count=None)], 9, [4], [], id="nobody counted at its intent"),
        pytest.param([ours(state=AttemptState.DECLINED)], 9, [4], [], id="nothing is in doubt"),
        pytest.param([ours()], 3, [], [], id="it rose and nothing is shown yet"),
    ],
)
def test_as_many_of_the_newest_are_the_providers_as_the_count_rose(
    attempts: list[Attempt], count: int, seen: list[float], provider: list[str]
) -> None:
    invoice = an_invoice(attempt_count=count)

    found = tries_of_the_provider(attempts, invoice, [payment(day) for day in seen])

    assert found == set(provider)


def test_a_payment_with_another_card_is_not_counted_for_the_provider() -> None:
    shown = [payment(4, method_id="pm_1"), payment(5, "succeeded", method_id="pm_2")]

    found = tries_of_the_provider([ours(method_id="pm_1")], an_invoice(attempt_count=3), shown)

    assert found == {"ch_4"}
