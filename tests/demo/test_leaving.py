"""Who goes to the demo's cancel page, and that each finds a reason to stay or to leave."""

from datetime import timedelta

from app.demo.cast import DAYS, OPENING, Draws, cast
from app.demo.leaving import PARTS, chosen, flow_of, years_of
from app.domain.flow_documents import flow_from
from app.domain.flows import StepKind

PRICES = [
    {"id": f"price_{every}_{currency}", "product": "prod_1", "currency": currency,
     "recurring": {"interval": every}}
    for every in ("month", "year")
    for currency in ("usd", "eur")
]  # fmt: skip


def test_five_whose_cards_are_good_go_to_the_page_whatever_the_seed() -> None:
    for seed in range(1, 8):
        people = cast(seed, OPENING)
        who = chosen(Draws(seed), people, OPENING)

        assert len({person.key for person in who}) == len(PARTS)
        assert not [person for person in who if person.fate]
        for part, person in zip(PARTS, who, strict=True):
            comes = OPENING + timedelta(days=part.day + 1)
            assert comes < person.renews_at < OPENING + timedelta(days=DAYS)


def test_each_offer_of_the_flow_is_accepted_by_somebody_and_two_leave() -> None:
    flow = flow_from(flow_of(PRICES) | {"name": "default"})
    offered = {step.id for step in flow.steps if step.kind is StepKind.OFFER}
    reasons = {reason.id for reason in flow.reasons}

    assert {part.offer for part in PARTS if part.offer} == offered
    assert sum(part.offer is None for part in PARTS) == 2
    assert {part.reason for part in PARTS} <= reasons


def test_a_year_is_offered_in_the_same_product_and_currency() -> None:
    assert years_of(PRICES) == {
        "price_month_usd": "price_year_usd",
        "price_month_eur": "price_year_eur",
    }
