"""What refusals mean, wherever their code stands."""

import pytest

from app.domain.declines import DeclineKind
from app.providers.stripe.declines import (
    KINDS,
    ROWS,
    UnknownCodes,
    decline_of_charge,
    decline_of_error,
    decline_of_intent,
    unknown_codes,
)
from tests.providers.stripe.stripe_shapes import charge, intent


def test_every_kind_but_unknown_has_codes_and_no_code_has_two():
    codes = [code for listed in ROWS.values() for code in listed.split()]

    assert set(ROWS) == set(DeclineKind) - {DeclineKind.UNKNOWN}
    assert len(codes) == len(set(codes)) == len(KINDS)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        pytest.param(
            {"code": "card_declined", "decline_code": "stolen_card"},
            "stolen_card",
            DeclineKind.NEVER,
            id="the decline code is the more exact",
        ),
        pytest.param(
            {"code": "expired_card", "decline_code": "generic_decline"},
            "expired_card",
            DeclineKind.NEW_METHOD,
            id="unless it is the vague one",
        ),
        pytest.param(
            {"code": "incorrect_cvc"}, "incorrect_cvc", DeclineKind.FIX_DATA, id="a code alone"
        ),
        pytest.param(
            {"code": "card_declined"},
            "card_declined",
            DeclineKind.RETRY_FEW_AND_ASK,
            id="declined without a reason",
        ),
        pytest.param(
            {"code": "card_declined", "decline_code": "moon_phase"},
            "moon_phase",
            DeclineKind.UNKNOWN,
            id="a reason nobody has heard of",
        ),
        pytest.param(
            {"code": "processing_error", "decline_code": "moon_phase"},
            "processing_error",
            DeclineKind.PROCESSOR_ERROR,
            id="the known one of two exact codes",
        ),
        pytest.param(
            {"code": "invoice_payment_intent_requires_action"},
            "invoice_payment_intent_requires_action",
            DeclineKind.CUSTOMER_AUTHENTICATE,
            id="3-D Secure",
        ),
        pytest.param({}, None, DeclineKind.UNKNOWN, id="nothing at all"),
        pytest.param(
            {"code": ["a"], "decline_code": {"b": 1}}, None, DeclineKind.UNKNOWN, id="no codes"
        ),
    ],
)
def test_an_error_says_why(error, code, kind):
    decline = decline_of_error(error)

    assert (decline.code, decline.kind) == (code, kind)


def test_a_charge_says_why_in_its_outcome():
    obj = charge(failure_code="card_declined")
    obj["outcome"] |= {"advice_code": "do_not_try_again", "network_decline_code": "05"}

    decline = decline_of_charge(obj)

    assert decline.code == "insufficient_funds"
    assert decline.advice == "do_not_try_again"
    assert decline.network_decline_code == "05"
    assert decline.is_final


def test_a_block_by_radar_is_final_whatever_its_reason():
    decline = decline_of_charge(charge(outcome={"type": "blocked", "reason": "new_rule"}))

    assert decline.blocked
    assert decline.is_final


def test_a_refused_bank_debit_has_no_outcome():
    decline = decline_of_charge(charge(outcome=None, failure_code="insufficient_funds"))

    assert decline.kind is DeclineKind.INSUFFICIENT_FUNDS


def test_the_advice_to_check_the_card_asks_the_customer():
    decline = decline_of_error({"decline_code": "do_not_honor", "advice_code": "confirm_card_data"})

    assert decline.kind is DeclineKind.FIX_DATA


def test_the_advice_to_check_the_card_does_not_soften_a_never():
    decline = decline_of_error({"decline_code": "stolen_card", "advice_code": "confirm_card_data"})

    assert decline.kind is DeclineKind.NEVER


def test_the_latest_charge_of_an_intent_knows_more_than_its_error():
    failed = charge(outcome={"type": "blocked", "reason": "highest_risk_level"})

    decline = decline_of_intent(intent(latest_charge=failed))

    assert decline is not None
    assert decline.blocked


def test_an_intent_never_tried_was_not_refused():
    assert decline_of_intent(intent(last_payment_error=None)) is None


def test_a_code_without_a_row_is_counted():
    before = unknown_codes.seen().get("tide_out", 0)

    decline_of_error({"decline_code": "tide_out"})

    assert unknown_codes.seen()["tide_out"] == before + 1


def test_the_count_of_unknown_codes_cannot_grow_without_end():
    codes = UnknownCodes()
    for n in range(1000):
        codes.add(f"code_{n}")

    assert len(codes.seen()) == 200
