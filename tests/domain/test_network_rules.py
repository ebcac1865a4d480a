"""What networks and schemes allow, on the day of the attempt."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cards import rail_of
from app.domain.mirror import PaymentMethod
from app.domain.network_rows import DIRECT_DEBITS, RULES, NetworkRule
from app.domain.network_rules import earliest_within_budget, rules_for
from tests.domain.builders import MONDAY, a_use

DAY = timedelta(days=1)
TODAY = date(2026, 11, 1)
RAILS = sorted({rule.rail for rule in RULES})


def a_rule(attempts: int, days: int, since: date, brand: str | None = "visa") -> NetworkRule:
    return NetworkRule(
        rail="card",
        brand=brand,
        attempts=attempts,
        within=timedelta(days=days),
        since=since,
        source=f"{attempts} in {days}",
    )


@pytest.mark.parametrize(
    ("rail", "brand", "allowed"),
    [
        ("card", "visa", {(15, 30 * DAY)}),
        ("card", "Mastercard", {(10, DAY), (35, 30 * DAY)}),
        ("card", "amex", {(15, 30 * DAY)}),
        ("card", "discover", {(15, 30 * DAY)}),
        ("card", "jcb", {(15, 30 * DAY)}),
        ("card", None, {(15, 30 * DAY)}),
        ("us_bank_account", None, {(2, 40 * DAY), (1, 5 * DAY)}),
        ("sepa_debit", None, {(2, 30 * DAY), (1, 5 * DAY)}),
        ("bacs_debit", None, {(2, 30 * DAY), (1, 5 * DAY)}),
        ("au_becs_debit", None, {(2, 30 * DAY), (1, 5 * DAY)}),
        ("in_mandate", "visa", {(1, timedelta(hours=26)), (15, 30 * DAY)}),
        ("in_mandate", "mastercard", {(1, timedelta(hours=26)), (10, DAY), (35, 30 * DAY)}),
        ("paypal", None, set()),
    ],
)
def test_every_rail_has_its_rules(
    rail: str, brand: str | None, allowed: set[tuple[int, timedelta]]
) -> None:
    assert {(r.attempts, r.within) for r in rules_for(rail, brand, TODAY)} == allowed


def test_every_rule_has_a_source_and_a_day() -> None:
    assert all(rule.source and rule.since <= TODAY and rule.attempts > 0 for rule in RULES)
    assert len({(r.rail, r.brand, r.within, r.since) for r in RULES}) == len(RULES)


def test_a_rule_holds_from_its_day_on() -> None:
    rules = [a_rule(15, 30, date(2020, 1, 1)), a_rule(20, 30, date(2026, 1, 20))]

    before = rules_for("card", "visa", date(2026, 1, 19), rules)
    after = rules_for("card", "visa", date(2026, 1, 20), rules)

    assert ([r.attempts for r in before], [r.attempts for r in after]) == ([15], [20])


def test_an_attempt_postponed_into_another_time_keeps_the_rule_of_that_time() -> None:
    # given a card used 3 times, a rule that frees it in two days, and a stricter one from then on
    rules = [a_rule(3, 3, date(2020, 1, 1)), a_rule(1, 10, date(2026, 1, 6))]
    uses = [a_use(MONDAY - timedelta(hours=n)) for n in (1, 2, 3)]

    at, rule = earliest_within_budget(uses, rail="card", brand="visa", at=MONDAY, rules=rules)

    assert rule is rules[1]
    assert at > MONDAY - timedelta(hours=1) + 10 * DAY


@given(
    rail=st.sampled_from(RAILS),
    brand=st.sampled_from(["visa", "mastercard", "amex", None]),
    hours=st.lists(st.integers(0, 45 * 24), max_size=40),
)
def test_no_attempt_breaks_a_rule_and_none_is_put_off_needlessly(
    rail: str, brand: str | None, hours: list[int]
) -> None:
    uses = [a_use(MONDAY - timedelta(hours=h)) for h in hours]

    at, rule = earliest_within_budget(uses, rail=rail, brand=brand, at=MONDAY)

    def broken(when: datetime) -> bool:
        return any(
            sum(use.at > when - one.within for use in uses) >= one.attempts
            for one in rules_for(rail, brand, when.date())
        )

    assert not broken(at)
    assert (at == MONDAY) == (rule is None)
    assert rule is None or broken(at - timedelta(minutes=2))


def test_budgets_count_over_invoices_and_by_anybody() -> None:
    uses = [a_use(MONDAY - DAY, use_ref=f"ch_{n}") for n in range(15)]

    at, rule = earliest_within_budget(uses, rail="card", brand="visa", at=MONDAY)

    assert rule is not None
    assert at > MONDAY + 28 * DAY


@pytest.mark.parametrize("kind", sorted(DIRECT_DEBITS))
def test_a_debit_method_has_its_own_rail(kind: str) -> None:
    method = PaymentMethod(merchant_id="m", account_id="a", method_id="pm", type=kind)

    assert rail_of(method) == kind
    assert rules_for(kind, None, datetime(2026, 11, 1, tzinfo=UTC).date())


@pytest.mark.parametrize(
    "more", [{"type": "card", "country": "IN"}, {"type": "upi"}], ids=["a card of India", "UPI"]
)
def test_a_mandate_of_india_has_its_own_rail(more: dict[str, str]) -> None:
    method = PaymentMethod(merchant_id="m", account_id="a", method_id="pm", **more)  # type: ignore[arg-type]

    assert rail_of(method) == "in_mandate"
