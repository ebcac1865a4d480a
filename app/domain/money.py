"""Money: an integer of minor units and a currency. Never a float, never two currencies added."""

from dataclasses import dataclass

# Digits after the point as the provider counts them, which is not always what ISO 4217 says:
# Stripe treats ISK and UGX as two-decimal although they have no minor unit in use.
# Source: Stripe's currency documentation (zero-decimal and three-decimal lists).
ZERO_DECIMAL = frozenset([
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf",
    "vnd", "vuv", "xaf", "xof", "xpf",
])  # fmt: skip
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added or compared."""


def exponent(currency: str) -> int:
    """Digits of the minor unit: 0 for jpy, 3 for kwd, else 2 (an unknown currency too)."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units of `currency` (ISO 4217, lower case). May be negative in a ledger."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise TypeError("minor units are an int")
        if len(self.currency) != 3 or not self.currency.islower():
            raise ValueError(f"{self.currency!r} is no lower-case ISO 4217 code")

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return Money(self.minor + other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + -other

    def __str__(self) -> str:
        digits = exponent(self.currency)
        if not digits:
            return f"{self.minor} {self.currency.upper()}"
        sign = "-" if self.minor < 0 else ""
        whole, part = divmod(abs(self.minor), 10**digits)
        return f"{sign}{whole}.{part:0{digits}d} {self.currency.upper()}"
