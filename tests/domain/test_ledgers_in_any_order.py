"""Any history of subscriptions, told in any order and doubled: the ledgers say what the mirror
says."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.churn import ENDS, ChurnEntry, ChurnRecord
from app.domain.movements import Phase, mrr_of, phase_of
from app.domain.mrr import MrrMovement
from app.domain.notices import Notice
from tests.domain.builders import on_day
from tests.domain.churn_cast import (
    after,
    begins,
    brings,
    ends_counted,
    mirrored,
    pays,
    plans_counted,
    stands,
    stays_at,
)

NAMES = ("sub_1", "sub_2", "sub_3")
STATES: tuple[dict[str, Any], ...] = (
    {"status": "active"},
    {"status": "active", "cancel_at": on_day(200)},
    {"status": "active", "collection_paused": True},
    {"status": "past_due"},
    {"status": "unpaid"},
    {"status": "paused", "pause_reason": "pause_requested"},
    {"status": "paused", "pause_reason": "final_payment_failure"},
    {"status": "incomplete"},
    {"status": "trialing", "trial_end": on_day(300)},
    {"status": "canceled", "cancellation_reason": "cancellation_requested"},
    {"status": "canceled", "cancellation_reason": "payment_failed"},
)
STEPS = st.tuples(
    st.sampled_from(NAMES),
    st.integers(1, 12),
    st.sampled_from(STATES),
    st.sampled_from([0, 1500, 3000, 9000]),
    st.sampled_from(["basic", "pro"]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Notice]:
    """What is reported of three subscriptions of one customer: in order, each day later."""
    day, told = 0.0, list[Notice]()
    began, gone = dict[str, float](), set[str]()
    for name, wait, state, price, plan in draw(st.lists(STEPS, max_size=14)):
        day += wait
        if name in gone:
            continue
        kind = begins if name not in began else stands
        began.setdefault(name, day)
        facts: dict[str, Any] = {
            "name": name,
            "mrr_minor": price,
            "plan": plan,
            "started_at": on_day(began[name]),
        }
        told.append(kind(day, **facts, **state))
        if state["status"] == "canceled":
            gone.add(name)
    return told


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_lines_add_up_to_the_mirror_whatever_the_order(told: list[Notice], rnd: Any) -> None:
    heard = told + [one for one in told if rnd.random() < 0.5]
    rnd.shuffle(heard)

    book = after(*heard)

    for name in NAMES:
        seen = mirrored(book, name)
        assert brings(book, name) == mrr_of(seen)
        assert len(stays_at(book, name)) == (1 if brings(book, name) else 0)
        assert pays(book, name) == (1 if brings(book, name) else 0)
        assert ends_counted(book, name) in {0, 1}
        if seen is not None and phase_of(seen) is Phase.RUNS:
            assert ends_counted(book, name) == 0
            assert plans_counted(book, name) == (1 if seen.cancel_at else 0)


@given(histories())
@settings(max_examples=150, deadline=None)
def test_told_in_order_every_end_is_counted_once_and_every_line_can_be_summed(
    told: list[Notice],
) -> None:
    book = after(*told, *told)

    keys = [(r.subscription_id, r.source, r.entry) for r in book.all(ChurnRecord)]
    sources = [(m.subscription_id, m.source) for m in book.all(MrrMovement)]
    assert len(set(keys)) == len(keys)
    assert len(set(sources)) == len(sources)
    for name in NAMES:
        lines = [r for r in book.all(ChurnRecord) if r.subscription_id == name]
        for line in lines:
            others = [r for r in lines if r.about == line.record_id and r.entry in ENDS]
            assert len([r for r in others if r.entry is not ChurnEntry.CHURNED]) <= 1
