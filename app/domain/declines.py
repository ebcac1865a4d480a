"""Why an attempt was refused, in our words. Provider codes are mapped by the provider's room."""

from dataclasses import dataclass
from enum import StrEnum


class DeclineKind(StrEnum):
    """What a refusal means for what we may do next."""

    NEVER = "never"
    NEW_METHOD = "new_method"
    FIX_DATA = "fix_data"
    CUSTOMER_AUTHENTICATE = "customer_authenticate"
    NO_PAYMENT_METHOD = "no_payment_method"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    LIMIT_EXCEEDED = "limit_exceeded"
    RETRY_LATER = "retry_later"
    RETRY_FEW_AND_ASK = "retry_few_and_ask"
    PROCESSOR_ERROR = "processor_error"
    RECONCILE_FIRST = "reconcile_first"
    MERCHANT_PROBLEM = "merchant_problem"
    UNKNOWN = "unknown"


# Only the customer can change the outcome: no blind retry.
ASKS_CUSTOMER = frozenset(
    {
        DeclineKind.NEW_METHOD,
        DeclineKind.FIX_DATA,
        DeclineKind.CUSTOMER_AUTHENTICATE,
        DeclineKind.NO_PAYMENT_METHOD,
    }
)

# Visa category 1: the issuer will never approve. Read only for Visa: the same digits mean other
# things at other networks. Source: Visa Core Rules 2026-04-18, Table 7-2, by way of processors'
# documentation.
VISA_NEVER = frozenset(["04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"])

# Mastercard merchant advice codes. 03 and 21 retried within 30 days cost a fee at once.
MASTERCARD_NEVER = frozenset({"03", "21"})
MASTERCARD_WAIT_HOURS = {
    "24": 1, "25": 24, "26": 48, "27": 96, "28": 144, "29": 192, "30": 240,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """One refusal.

    `kind` is what the provider's code means; the network's own words (`advice`, `network_*`)
    stand beside it because they outrank it and are read per `brand`.
    """

    kind: DeclineKind
    code: str | None = None
    advice: str | None = None
    brand: str | None = None
    network_decline_code: str | None = None
    network_advice_code: str | None = None
    blocked: bool = False

    @property
    def is_final(self) -> bool:
        """No attempt with this method, ever: the strongest word of network, advice and code."""
        brand = (self.brand or "").lower()
        return (
            self.kind is DeclineKind.NEVER
            or self.blocked
            or self.advice == "do_not_try_again"
            or (brand == "visa" and self.network_decline_code in VISA_NEVER)
            or (brand in {"", "mastercard"} and self.network_advice_code in MASTERCARD_NEVER)
        )

    @property
    def network_wait_hours(self) -> int | None:
        """Hours the network asks us to wait, if it does (Mastercard advice codes 24 to 30)."""
        if (self.brand or "mastercard").lower() != "mastercard":
            return None
        return MASTERCARD_WAIT_HOURS.get(self.network_advice_code or "")
