"""What is decided about somebody who leaves, without a database: flows, places, words, money."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cancellations import Choice, Departing, choices, preview
from app.domain.compliance.law import RULES, may_offer
from app.domain.compliance.places import place_of
from app.domain.dunning import IllegalMove
from app.domain.flow_default import DEFAULT_FLOW
from app.domain.flow_documents import flow_from
from app.domain.flows import Leaving, choose_flow
from app.domain.languages import LANGUAGES
from app.domain.mirror import Customer, Invoice, InvoiceStatus, PaymentMethod
from app.domain.reasons import FEEDBACK, REASONS
from app.domain.sessions import MOVES, SessionState, first_step
from app.domain.survey import own_words, red_flags
from tests.domain.builders import MONDAY, a_subscription, on_day

END: list[dict[str, Any]] = [
    {"id": "confirm", "kind": "confirm"},
    {"id": "done", "kind": "success"},
]
WHOSE: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1"}


def test_every_reason_has_a_label_in_every_language_and_a_word_of_the_providers() -> None:
    assert len({reason.id for reason in REASONS}) == len(REASONS) == 15
    for reason in REASONS:
        assert set(reason.labels) == set(LANGUAGES)
        assert set(reason.follow_up or LANGUAGES) == set(LANGUAGES)
        assert reason.feedback in FEEDBACK


def test_every_state_of_a_session_has_its_moves() -> None:
    assert set(MOVES) == set(SessionState)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("my card 4242 4242 4242 4242!", "my card ••••!"),
        ("4242-4242-4242-4242", "••••"),
        ("4242 4242 4242 4242 12/27 123", "•••• 12/27 123"),
        ("4242424242424242 123", "•••• 123"),
        ("3782 822463 10005 and 4242 4242 4242 4242", "•••• and ••••"),
        ("7 4242\u00a04242\u20134242  4242", "7 ••••"),
        ("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2", "••••"),
        ("call 030 12345678 or 030 12345679", "call 030 12345678 or 030 12345679"),
        ("order 1234567890123456", "order 1234567890123456"),
        ("call 030 12345678", "call 030 12345678"),
        ("a\x00b\x1b", "a b"),
        ("  \n ", None),
    ],
)
def test_a_card_number_is_masked_and_other_numbers_are_not(text: str, kept: str | None) -> None:
    assert own_words(text) == kept


@given(st.text(max_size=5000))
def test_words_are_bounded_and_can_be_stored(text: str) -> None:
    kept = own_words(text)

    assert kept is None or (0 < len(kept) <= 2000 and "\x00" not in kept)
    assert kept is None or kept.encode()


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("I will talk to my lawyer", ("legal",)),
        ("Das ist Betrug, ich werde euch verklagen", ("legal", "fraud")),
        ("C'est une arnaque", ("fraud",)),
        ("Voy a pedir un contracargo", ("chargeback",)),
        ("我要起诉你们", ("legal",)),
        ("The issue is pursued elsewhere", ()),
        (None, ()),
    ],
)
def test_red_flags_are_seen_in_five_languages(text: str | None, flags: tuple[str, ...]) -> None:
    assert red_flags(text) == flags


def a_customer(**told: Any) -> Customer:
    return Customer(**WHOSE, customer_id="cus_1", **told)


def a_card(country: str) -> PaymentMethod:
    return PaymentMethod(**WHOSE, method_id="pm_1", country=country)


@pytest.mark.parametrize(
    ("told", "place"),
    [
        pytest.param(("DE", a_customer(country="FR"), a_card("US"), "ES"), "DE", id="claim"),
        pytest.param((None, a_customer(country="FR"), a_card("US"), "ES"), "FR", id="address"),
        pytest.param(
            (None, a_customer(country="US", region="Minnesota"), None, None), "US-MN", id="state"
        ),
        pytest.param((None, a_customer(country="US", region="ca"), None, None), "US-CA", id="code"),
        pytest.param(
            (None, a_customer(country="US", region="?"), None, "US-CA"), "US", id="no state"
        ),
        pytest.param((None, a_customer(), a_card("AT"), "ES"), "AT", id="card"),
        pytest.param((None, None, None, "ES"), "ES", id="the merchant's"),
        pytest.param(("<script>", None, None, None), None, id="nothing"),
    ],
)
def test_the_place_is_the_claim_then_the_address_then_the_card(
    told: tuple[Any, ...], place: str | None
) -> None:
    assert place_of(*told) == place


def test_a_rule_has_a_source_and_is_checked_or_kept() -> None:
    for rule in RULES:
        assert rule.source
        assert (rule.check is None) is (rule.kept_by is not None)
    assert may_offer("US-MN", date(2024, 12, 31))
    assert not may_offer("US-MN", date(2025, 1, 1))


def test_the_most_particular_flow_is_chosen_and_the_shipped_one_for_the_rest() -> None:
    yearly = flow_from({"name": "yearly", "applies_to": {"interval": ["year"]}, "steps": END})
    both = {"interval": ["year"], "tenure_days": {"min": 365}}
    loyal = flow_from({"name": "loyal", "applies_to": both, "steps": END})
    flows = [yearly, loyal]

    def chosen(**told: Any) -> str:
        return choose_flow(flows, Leaving(**told), otherwise=DEFAULT_FLOW).name

    assert chosen(interval="year", tenure_days=400) == "loyal"
    assert chosen(interval="year", tenure_days=10) == "yearly"
    assert chosen(interval="month", tenure_days=400) == "default"


def test_without_a_survey_the_first_screen_asks_for_the_word() -> None:
    flow = flow_from({"steps": END})

    step = first_step(flow, Leaving(), offers=True, eligible=lambda _: True)

    assert step.id == "confirm"


def departing(status: str = "active", *invoices: Invoice, **told: Any) -> Departing:
    given: dict[str, Any] = {"status": status, "period_end": on_day(20)} | told
    return Departing(subscription=a_subscription(**given), open_invoices=invoices)


OPEN = Invoice(
    **WHOSE, invoice_id="in_1", status=InvoiceStatus.OPEN, remaining_minor=3000, due_minor=3000
)


@pytest.mark.parametrize(
    ("standing", "immediately", "offered"),
    [
        pytest.param(departing(), False, (Choice.PERIOD_END,), id="paid"),
        pytest.param(departing(), True, (Choice.PERIOD_END, Choice.NOW), id="paid, may end now"),
        pytest.param(
            departing("past_due", OPEN), False, (Choice.NOW, Choice.PERIOD_END), id="unpaid"
        ),
        pytest.param(departing("incomplete"), False, (Choice.NOW,), id="never begun"),
        pytest.param(departing("paused"), False, (Choice.NOW,), id="paused"),
    ],
)
def test_the_ends_that_may_be_chosen(
    standing: Departing, immediately: bool, offered: tuple[Choice, ...]
) -> None:
    assert choices(standing, immediately=immediately) == offered


@pytest.mark.parametrize(
    ("advances", "ends", "owed"),
    [(True, (Choice.NOW, Choice.PERIOD_END), 3000), (False, (Choice.PERIOD_END,), 0)],
    ids=["charged soon", "rests"],
)
def test_a_draft_counts_as_owed_where_it_will_be_charged_and_is_forgiven_anyway(
    advances: bool, ends: tuple[Choice, ...], owed: int
) -> None:
    draft = replace(OPEN, status=InvoiceStatus.DRAFT, auto_advance=advances)
    standing = departing("active", draft)

    assert choices(standing, immediately=False) == ends
    assert preview(standing, Choice.PERIOD_END, MONDAY).owed_minor == owed
    assert preview(standing, Choice.NOW, MONDAY).forgiven_minor == 3000


YEAR = {
    "interval": "year",
    "items": ({"unit_amount_minor": 5000, "quantity": 10},),
    "period_end": on_day(200),
}


@pytest.mark.parametrize(
    ("told", "default"),
    [
        pytest.param({"billing_reason": "subscription_cycle"}, Choice.NOW, id="this year"),
        pytest.param({}, Choice.NOW, id="nobody says for what"),
        pytest.param({"billing_reason": "manual"}, Choice.PERIOD_END, id="something beside it"),
        pytest.param(
            {"billing_reason": "subscription_threshold"}, Choice.PERIOD_END, id="use so far"
        ),
        pytest.param(
            {"billing_reason": "subscription_cycle", "created_at": on_day(-200)},
            Choice.PERIOD_END,
            id="the year before",
        ),
        pytest.param(
            {"billing_reason": "subscription_update"}, Choice.PERIOD_END, id="a seat more"
        ),
        pytest.param(
            {"billing_reason": "subscription_update", "due_minor": 46000},
            Choice.NOW,
            id="months made a year",
        ),
    ],
)
def test_who_paid_for_the_period_does_not_lose_it_by_default(
    told: dict[str, Any], default: Choice
) -> None:
    standing = departing("past_due", replace(OPEN, **told), **YEAR)

    assert choices(standing, immediately=False)[0] is default
    assert set(choices(standing, immediately=False)) == {Choice.NOW, Choice.PERIOD_END}


def test_what_has_ended_cannot_be_cancelled() -> None:
    with pytest.raises(IllegalMove):
        choices(departing("canceled"), immediately=True)


@given(st.sampled_from(Choice), st.integers(-40, 40))
def test_an_end_is_never_later_than_the_period_and_never_in_the_past(
    choice: Choice, day: int
) -> None:
    told = preview(departing("past_due", OPEN, period_end=on_day(day)), choice, MONDAY)

    assert MONDAY <= told.access_until <= max(MONDAY, on_day(day))
    assert told.owed_minor + told.forgiven_minor == 3000
