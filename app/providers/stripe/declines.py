"""What Stripe's refusals mean: one row a code, and where the code stands in each object.

Source of the rows: Stripe's pages on decline codes and on declines of local payment methods, its
list of codes that Smart Retries never retries, and the failure codes of bank debits. A code that
has no row reads as unknown and is counted.
"""

from collections import Counter
from collections.abc import Mapping

from app.domain.declines import Decline, DeclineKind
from app.providers.stripe.reading import Json, at, first_ref, rows, table, text

ROWS: Mapping[DeclineKind, str] = {
    DeclineKind.NEVER: """
        do_not_try_again fraudulent lost_card merchant_blacklist pickup_card
        revocation_of_all_authorizations revocation_of_authorization stolen_card
        stop_payment_order transaction_not_allowed highest_risk_level
        low_probability_of_authorization rule previously_declined_do_not_retry
        compliance_violation payment_disputed partner_action_not_supported lost_or_stolen_card
        card_already_activated debit_not_authorized elevated_risk_level
    """,
    DeclineKind.NEW_METHOD: """
        card_not_supported currency_not_supported expired_card incorrect_number incorrect_pin
        invalid_account invalid_number invalid_pin new_account_information_available
        not_permitted offline_pin_required online_or_offline_pin_required pin_try_exceeded
        restricted_card security_violation service_not_allowed testmode_decline
        invalid_customer_account invalid_billing_agreement partner_high_risk_customer
        invalid_authorization invalid_payment_information expired_payment_information
        recurring_not_supported_by_bank invalid_track_data expired_payment_method
        account_closed account_frozen bank_account_closed bank_account_restricted
        bank_account_unusable bank_ownership_changed incorrect_account_holder_name
        invalid_account_number no_account refer_to_customer invalid_card_type
    """,
    DeclineKind.FIX_DATA: """
        incorrect_address incorrect_cvc incorrect_zip invalid_cvc invalid_expiry_month
        invalid_expiry_year postal_code_invalid
    """,
    DeclineKind.CUSTOMER_AUTHENTICATE: """
        authentication_required authentication_not_handled mobile_device_authentication_required
        authentication_failure payment_intent_authentication_failure
        setup_intent_authentication_failure invoice_payment_intent_requires_action
        subscription_payment_intent_requires_action
    """,
    DeclineKind.NO_PAYMENT_METHOD: "no_payment_method missing payment_intent_no_method",
    DeclineKind.INSUFFICIENT_FUNDS: "insufficient_funds",
    DeclineKind.LIMIT_EXCEEDED: """
        card_velocity_exceeded withdrawal_count_limit_exceeded payment_limit_exceeded
        charge_exceeds_source_limit charge_exceeds_transaction_limit
        charge_exceeds_weekly_limit
    """,
    DeclineKind.RETRY_LATER: "approve_with_id reenter_transaction try_again_later",
    DeclineKind.RETRY_FEW_AND_ASK: """
        call_issuer do_not_honor generic_decline invalid_amount no_action_taken
        partner_generic_decline card_declined declined payment_method_provider_decline
        card_decline_rate_limit_exceeded payment_method_customer_decline
    """,
    DeclineKind.PROCESSOR_ERROR: """
        issuer_not_available processing_error could_not_process
        payment_method_provider_timeout payment_method_not_available
        payment_intent_payment_attempt_failed
    """,
    DeclineKind.RECONCILE_FIRST: "duplicate_transaction partner_payment_not_found",
    DeclineKind.MERCHANT_PROBLEM: """
        invalid_business_account account_invalid payment_method_invalid_parameter
        invalid_currency
    """,
}
KINDS: Mapping[str, DeclineKind] = {
    code: kind for kind, codes in ROWS.items() for code in codes.split()
}

# These say only that there was a refusal; any other code says more.
VAGUE = frozenset({"card_declined", "declined", "generic_decline"})
# The customer must act anyway, or nobody can: the advice to check the card adds nothing.
STRONGER_THAN_ADVICE = frozenset(
    {
        DeclineKind.NEVER,
        DeclineKind.NEW_METHOD,
        DeclineKind.FIX_DATA,
        DeclineKind.CUSTOMER_AUTHENTICATE,
    }
)
MOST_UNKNOWN = 200


class UnknownCodes:
    """How often each code without a row was seen in this process; at most 200 different ones."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def add(self, code: str) -> None:
        """Count one sight of `code`."""
        if code in self._seen or len(self._seen) < MOST_UNKNOWN:
            self._seen[code] += 1

    def seen(self) -> dict[str, int]:
        """The counts so far, for metrics."""
        return dict(self._seen)


unknown_codes = UnknownCodes()


def decline_of_error(error: Json, *, brand: str | None = None) -> Decline:
    """The decline an error body or a `last_payment_error` tells of.

    `decline_code` is the more exact of the two codes; expired cards and wrong security codes
    come as `code` alone.
    """
    card = at(error, "payment_method", "card") or at(error, "source")
    return _decline(
        (text(error.get("decline_code"), 100), text(error.get("code"), 100)),
        error,
        brand=brand or text(at(card, "brand"), 40),
    )


def decline_of_charge(charge: Json) -> Decline:
    """The decline of a failed charge: `outcome.reason` names it, `failure_code` less exactly."""
    outcome = table(charge.get("outcome"))
    codes = (text(outcome.get("reason"), 100), text(charge.get("failure_code"), 100))
    return _decline(codes, outcome, brand=card_brand(charge))


def decline_of_intent(intent: Json) -> Decline | None:
    """The decline of a payment intent's latest try, from its charge (which alone knows the
    network's status) or from its last error; None where neither tells of one."""
    charge = latest_charge(intent)
    error = intent.get("last_payment_error")
    if at(charge, "status") == "failed":
        return decline_of_charge(charge)
    return decline_of_error(error) if isinstance(error, dict) else None


def latest_charge(intent: Json) -> Json:
    """The expanded latest charge: `latest_charge`, in old versions the first of `charges`."""
    expanded = table(intent.get("latest_charge"))
    return expanded or next(rows(intent.get("charges")), {})


def charge_of(intent: Json) -> str | None:
    """The latest charge of an intent, where the version at hand puts it."""
    return first_ref(
        intent.get("latest_charge"),
        latest_charge(intent),
        at(intent, "last_payment_error", "charge"),
    )


def card_brand(charge: Json) -> str | None:
    """The card's brand in lower case, wherever the charge's version puts it."""
    places = (
        at(charge, "payment_method_details", "card", "brand"),
        at(charge, "payment_method_details", "card", "network"),
        at(charge, "source", "brand"),
        at(charge, "source", "card", "brand"),
        at(charge, "card", "brand"),
    )
    found = next((name for place in places if (name := text(place, 40))), None)
    return found.lower() if found else None


def _decline(codes: tuple[str | None, str | None], words: Json, *, brand: str | None) -> Decline:
    code = _telling(codes)
    advice = text(words.get("advice_code"), 60)
    kind = KINDS.get(code or "", DeclineKind.UNKNOWN)
    if code and kind is DeclineKind.UNKNOWN:
        unknown_codes.add(code)
    if advice == "confirm_card_data" and kind not in STRONGER_THAN_ADVICE:
        kind = DeclineKind.FIX_DATA
    return Decline(
        kind=kind,
        code=code,
        advice=advice,
        brand=brand.lower() if brand else None,
        network_decline_code=text(words.get("network_decline_code"), 20),
        network_advice_code=text(words.get("network_advice_code"), 20),
        blocked=words.get("type") == "blocked",
    )


def _telling(codes: tuple[str | None, str | None]) -> str | None:
    """The code that says most: exact and known, else exact, else vague."""
    exact = [code for code in codes if code and code not in VAGUE]
    known = [code for code in exact if code in KINDS]
    return next((code for code in (*known, *exact, *codes) if code), None)
