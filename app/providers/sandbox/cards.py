"""Test cards and how they behave: what a bank says to one charge.

A behaviour is a small table kept with the payment method (`kind` and its fields, see `BEHAVIOURS`).
Decline messages and codes: the provider's decline code list; the network codes are ISO 8583
response codes as Visa issuers send them, Mastercard's merchant advice codes stand beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.providers.sandbox.errors import Thing, invalid

DAY = 86_400


class Refusal(NamedTuple):
    """One decline code: the error's code, what is said, advice, ISO code, Mastercard advice."""

    code: str
    message: str
    advice: str | None = "try_again_later"
    network: str | None = "05"
    merchant_advice: str | None = None


DECLINED = "card_declined"
PLAIN = "Your card was declined."

REFUSALS: dict[str, Refusal] = {
    "generic_decline": Refusal(DECLINED, PLAIN, merchant_advice="02"),
    "do_not_honor": Refusal(DECLINED, PLAIN, merchant_advice="02"),
    "insufficient_funds": Refusal(
        DECLINED, "Your card has insufficient funds.", "try_again_later", "51", "02"
    ),
    "lost_card": Refusal(DECLINED, PLAIN, "do_not_try_again", "41", "03"),
    "stolen_card": Refusal(DECLINED, PLAIN, "do_not_try_again", "43", "03"),
    "pickup_card": Refusal(DECLINED, PLAIN, "do_not_try_again", "04", "03"),
    "fraudulent": Refusal(DECLINED, PLAIN, None, "59"),
    "expired_card": Refusal(
        "expired_card", "Your card has expired.", "do_not_try_again", "54", "01"
    ),
    "incorrect_cvc": Refusal(
        "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data", "N7", "01"
    ),
    "incorrect_number": Refusal(
        "incorrect_number", "Your card number is incorrect.", "confirm_card_data", "14", "01"
    ),
    "processing_error": Refusal(
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "try_again_later",
        "06",
    ),
    "issuer_not_available": Refusal(DECLINED, PLAIN, "try_again_later", "91", "24"),
    "try_again_later": Refusal(DECLINED, PLAIN, "try_again_later", "19", "02"),
    "card_velocity_exceeded": Refusal(
        DECLINED,
        "Your card was declined for making repeated attempts too frequently.",
        "try_again_later",
        "65",
        "02",
    ),
    "withdrawal_count_limit_exceeded": Refusal(DECLINED, PLAIN, "try_again_later", "61", "02"),
    "transaction_not_allowed": Refusal(DECLINED, PLAIN, "do_not_try_again", "57", "03"),
    "card_not_supported": Refusal(DECLINED, PLAIN, "do_not_try_again", "57", "03"),
    "revocation_of_authorization": Refusal(DECLINED, PLAIN, "do_not_try_again", "R1", "21"),
    "revocation_of_all_authorizations": Refusal(DECLINED, PLAIN, "do_not_try_again", "R3", "21"),
    "stop_payment_order": Refusal(DECLINED, PLAIN, "do_not_try_again", "R0", "21"),
    "do_not_try_again": Refusal(DECLINED, PLAIN, "do_not_try_again", "05", "03"),
    "invalid_account": Refusal(DECLINED, PLAIN, "do_not_try_again", "14", "03"),
    "restricted_card": Refusal(DECLINED, PLAIN, "do_not_try_again", "62", "03"),
    "new_account_information_available": Refusal(DECLINED, PLAIN, "confirm_card_data", "05", "01"),
    "call_issuer": Refusal(DECLINED, PLAIN, "try_again_later", "01", "02"),
    "authentication_required": Refusal(
        "authentication_required",
        "This transaction requires authentication.",
        None,
        "1A",
    ),
}
OTHER = Refusal(DECLINED, PLAIN)

HARD = frozenset(
    {
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "stolen_card",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "authentication_required",
        "highest_risk_level",
        "transaction_not_allowed",
    }
)
"""Declines after which the provider's own retries are counted but not carried out."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bank says: approved, declined (with the detail), action needed, or not known yet."""

    kind: Literal["approved", "declined", "action", "processing"]
    code: str | None = None
    blocked: bool = False
    advice: str | None = None
    network: str | None = None
    merchant_advice: str | None = None
    settles_after: int = 0


APPROVED = Verdict("approved")


@dataclass(frozen=True, slots=True)
class Occasion:
    """One try to charge: when, whether the customer is away, and which try of this method."""

    now: int
    off_session: bool
    tries: int
    luck: float


def verdict(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    """What the bank answers to this try.

    `tries` counts from 1 and is this method's own; `luck` is in [0, 1) and decides `chance`.
    """
    decide = BEHAVIOURS.get(behaviour.get("kind", "approve"))
    if decide is None:
        raise invalid(f"Unknown card behaviour: {behaviour.get('kind')}", param="behaviour")
    return decide(behaviour, on, brand)


def declined(behaviour: Thing, brand: str | None) -> Verdict:
    """A decline with the codes of the table, or those the behaviour names itself."""
    code = str(behaviour.get("code", "generic_decline"))
    row = REFUSALS.get(code, OTHER)
    mac = row.merchant_advice if brand == "mastercard" else None
    return Verdict(
        "declined",
        code,
        advice=behaviour.get("advice_code", row.advice),
        network=behaviour.get("network_decline_code", row.network),
        merchant_advice=behaviour.get("network_advice_code", mac),
    )


def _approve(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    return APPROVED


def _decline(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    times = behaviour.get("times")
    over = times is not None and on.tries > int(times)
    return APPROVED if over else declined(behaviour, brand)


def _until(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    if on.now >= int(behaviour["until"]):
        return APPROVED
    return declined({"code": "insufficient_funds", **behaviour}, brand)


def _from(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    return APPROVED if on.now < int(behaviour["from"]) else declined(behaviour, brand)


def _script(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    steps = behaviour["codes"]
    code = steps[min(on.tries, len(steps)) - 1]
    return APPROVED if code == "approve" else declined({**behaviour, "code": code}, brand)


def _chance(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    return APPROVED if on.luck < float(behaviour["approve"]) else declined(behaviour, brand)


def _authenticate(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    if behaviour.get("authenticated") and not behaviour.get("always"):
        return APPROVED
    return Verdict("action", "authentication_required", network="1A")


def _block(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    return Verdict("declined", "fraudulent", blocked=True, advice="do_not_try_again")


def _debit(behaviour: Thing, on: Occasion, brand: str | None) -> Verdict:
    return Verdict("processing", behaviour.get("code"), settles_after=_days(behaviour) * DAY)


def _days(behaviour: Thing) -> int:
    return int(behaviour.get("days", 3))


BEHAVIOURS: dict[str, Callable[[Thing, Occasion, str | None], Verdict]] = {
    "approve": _approve,
    "decline": _decline,
    "until": _until,
    "from": _from,
    "script": _script,
    "chance": _chance,
    "authenticate": _authenticate,
    "block": _block,
    "dispute": _approve,
    "debit": _debit,
}
"""approve · decline {code, times?: then approve} · until {until, code?} · from {from, code} ·
script {codes: "approve" or a code per try, the last repeats} · chance {approve, code} ·
authenticate {always?} · block · dispute {reason?, inquiry?} · debit {days, code?: else it pays}.
`on_setup` in a decline refuses already when the card is set up, not only when charged.
Wherever a code stands, advice_code, network_decline_code and network_advice_code may too."""


class TestCard(NamedTuple):
    """A card of the provider's test set."""

    number: str
    behaviour: Thing
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"


def _declines(code: str) -> Thing:
    return {"kind": "decline", "code": code, "on_setup": True}


TEST_CARDS: dict[str, TestCard] = {
    "visa": TestCard("4242424242424242", {}),
    "visa_debit": TestCard("4000056655665556", {}, funding="debit"),
    "mastercard": TestCard("5555555555554444", {}, "mastercard"),
    "mastercard_debit": TestCard("5200828282828210", {}, "mastercard", funding="debit"),
    "amex": TestCard("378282246310005", {}, "amex"),
    "discover": TestCard("6011111111111117", {}, "discover"),
    "jcb": TestCard("3566002020360505", {}, "jcb", "JP"),
    "de": TestCard("4000002760000016", {}, country="DE"),
    "gb": TestCard("4000008260000000", {}, country="GB"),
    "jp": TestCard("4000003920000003", {}, country="JP"),
    "in": TestCard("4000003560000008", {}, country="IN"),
    "bypassPending": TestCard("4000000000000077", {}),
    "chargeCustomerFail": TestCard(
        "4000000000000341", {"kind": "decline", "code": "generic_decline"}
    ),
    "chargeDeclined": TestCard("4000000000000002", _declines("generic_decline")),
    "chargeDeclinedInsufficientFunds": TestCard(
        "4000000000009995", _declines("insufficient_funds")
    ),
    "chargeDeclinedLostCard": TestCard("4000000000009987", _declines("lost_card")),
    "chargeDeclinedStolenCard": TestCard("4000000000009979", _declines("stolen_card")),
    "chargeDeclinedExpiredCard": TestCard("4000000000000069", _declines("expired_card")),
    "chargeDeclinedIncorrectCvc": TestCard("4000000000000127", _declines("incorrect_cvc")),
    "chargeDeclinedProcessingError": TestCard("4000000000000119", _declines("processing_error")),
    "chargeDeclinedVelocityLimitExceeded": TestCard(
        "4000000000006975", _declines("card_velocity_exceeded")
    ),
    "chargeDeclinedFraudulent": TestCard("4100000000000019", {"kind": "block"}),
    "radarBlock": TestCard("4000000000004954", {"kind": "block"}),
    "authenticationRequired": TestCard(
        "4000002760003184", {"kind": "authenticate", "always": True}, country="DE"
    ),
    "authenticationRequiredOnSetup": TestCard("4000002500003155", {"kind": "authenticate"}),
    "authenticationRequiredChargeDeclinedInsufficientFunds": TestCard(
        "4000008260003178", {"kind": "decline", "code": "insufficient_funds"}, country="GB"
    ),
    "threeDSecure2Required": TestCard("4000000000003220", {"kind": "authenticate", "always": True}),
    "createDispute": TestCard("4000000000000259", {"kind": "dispute", "reason": "fraudulent"}),
    "createDisputeProductNotReceived": TestCard(
        "4000000000002685", {"kind": "dispute", "reason": "product_not_received"}
    ),
    "createDisputeInquiry": TestCard(
        "4000000000001976", {"kind": "dispute", "reason": "fraudulent", "inquiry": True}
    ),
}
"""By the name that follows `pm_card_` and `tok_` (for declines also `visa_` and the name)."""

BY_NUMBER = {card.number: card for card in TEST_CARDS.values()}


def named(reference: str) -> TestCard | None:
    """The test card behind `pm_card_…` or `tok_…`, or None."""
    for prefix in ("pm_card_", "tok_"):
        if reference.startswith(prefix):
            name = reference.removeprefix(prefix)
            return TEST_CARDS.get(name) or TEST_CARDS.get(name.removeprefix("visa_"))
    return None
