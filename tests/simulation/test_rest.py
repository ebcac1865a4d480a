"""What the simulation asks at rest is no more than can be kept."""

from collections.abc import Mapping
from datetime import timedelta

from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, CaseEvent, Trigger
from tests.domain.builders import on_day
from tests.simulation.rest import first_end, might_change

SOFT, FOR_GOOD = DeclineKind.RETRY_FEW_AND_ASK, DeclineKind.NEW_METHOD
END = on_day(28)


def refused(days: Mapping[float, DeclineKind]) -> list[Attempt]:
    return [
        Attempt(
            attempt_id=f"att_{number}",
            merchant_id="mer_1",
            account_id="acc_1",
            case_id="case_1",
            number=number,
            trigger=Trigger.CUSTOMER,
            state=AttemptState.DECLINED,
            currency="usd",
            amount_minor=3000,
            intent_at=on_day(day),
            decline_kind=kind,
        )
        for number, (day, kind) in enumerate(days.items(), start=1)
    ]


def test_a_refusal_that_another_day_may_change_is_to_be_tried_until_the_end() -> None:
    assert might_change(refused({0: SOFT, 5: SOFT}), END) == timedelta(days=28)


def test_there_was_no_time_to_try_where_the_card_was_refused_for_good_before_the_first_try() -> (
    None
):
    # an operator ordered a charge on the second day, and a new card came hours before the end
    # (seed 515881)
    told = refused({0: SOFT, 2: FOR_GOOD, 27.9: SOFT})

    assert might_change(told, END) == timedelta(days=2)


def test_there_was_time_before_or_after_a_refusal_for_good() -> None:
    before = refused({0: SOFT, 20: FOR_GOOD, 27.9: SOFT})
    after = refused({0: SOFT, 2: FOR_GOOD, 5: SOFT})

    assert might_change(before, END) == timedelta(days=20)
    assert might_change(after, END) == timedelta(days=23)


def test_what_was_stopped_at_once_and_paid_weeks_later_ended_at_once() -> None:
    # their customer was deleted in the second in which the renewal was refused (seed 2095379)
    def line(day: float, told: str) -> CaseEvent:
        return CaseEvent(
            event_id=told, merchant_id="mer_1", case_id="case_1", at=on_day(day), type=told, text=""
        )

    lines = [line(0, "opened"), line(0.1, "stopped"), line(15, "recovered")]

    assert first_end(lines, default=END) == on_day(0.1)
    assert first_end(lines[:1], default=END) == END
