"""Which jurisdiction a session is in: `DE`, `US-CA`; `US` where the state is not known."""

import re

from app.domain.mirror import Customer, PaymentMethod

STATES = {
    "alabama": "AL", "alaska": "AK", "arizona": "AZ", "arkansas": "AR", "california": "CA",
    "colorado": "CO", "connecticut": "CT", "delaware": "DE", "district of columbia": "DC",
    "florida": "FL", "georgia": "GA", "hawaii": "HI", "idaho": "ID", "illinois": "IL",
    "indiana": "IN", "iowa": "IA", "kansas": "KS", "kentucky": "KY", "louisiana": "LA",
    "maine": "ME", "maryland": "MD", "massachusetts": "MA", "michigan": "MI", "minnesota": "MN",
    "mississippi": "MS", "missouri": "MO", "montana": "MT", "nebraska": "NE", "nevada": "NV",
    "new hampshire": "NH", "new jersey": "NJ", "new mexico": "NM", "new york": "NY",
    "north carolina": "NC", "north dakota": "ND", "ohio": "OH", "oklahoma": "OK", "oregon": "OR",
    "pennsylvania": "PA", "rhode island": "RI", "south carolina": "SC", "south dakota": "SD",
    "tennessee": "TN", "texas": "TX", "utah": "UT", "vermont": "VT", "virginia": "VA",
    "washington": "WA", "west virginia": "WV", "wisconsin": "WI", "wyoming": "WY",
}  # fmt: skip
EU = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
CODES = frozenset(STATES.values())
PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
UNITED_STATES = "US"


def place_of(
    claim: str | None,
    customer: Customer | None,
    method: PaymentMethod | None,
    default: str | None,
) -> str | None:
    """The jurisdiction: what the customer's token claims, then the billing address, then the
    card's country, then the merchant's default; None where nothing tells."""
    card = (method.country or "").upper() if method else ""
    told = (_claimed(claim), _billed(customer), card if PLACE.fullmatch(card) else None, default)
    return next((place for place in told if place), None)


def country_of(place: str) -> str:
    """The country of a place."""
    return place.partition("-")[0]


def _claimed(claim: str | None) -> str | None:
    place = (claim or "").strip().upper()
    return place if PLACE.fullmatch(place) else None


def _billed(customer: Customer | None) -> str | None:
    country = ((customer and customer.country) or "").upper()
    if not re.fullmatch("[A-Z]{2}", country):
        return None
    if country != UNITED_STATES:
        return country
    region = ((customer and customer.region) or "").strip()
    state = STATES.get(region.casefold(), region.upper())
    return f"{country}-{state}" if state in CODES else country
