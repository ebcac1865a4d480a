"""The largest open cases of a currency: what is owed, and how long there is left to get it."""

from datetime import datetime
from typing import Any

from app.domain.dunning import Case
from app.domain.merchants import Merchant, Scope
from app.domain.mirror import Customer
from app.pages.operator.desk import Visit
from app.pages.operator.telling import Teller
from app.services import overviews

AT_MOST = 10


async def largest_open_cases(
    visit: Visit, merchant: Merchant, currency: str
) -> list[dict[str, Any]]:
    """A line for each. Whose key may not read cases sees no customer, and nothing to follow."""
    cases, customers = await overviews.largest_open(
        visit.world, visit.merchant_id, currency, limit=AT_MOST
    )
    teller = visit.teller(merchant)
    named = visit.may(Scope.CASES_READ)
    return [
        _line(case, customers.get((case.account_id, case.customer_id or "")), teller, named=named)
        for case in cases
    ]


def _line(case: Case, customer: Customer | None, teller: Teller, *, named: bool) -> dict[str, Any]:
    line = teller.line(case, customer)
    return {
        "id": case.case_id,
        "who": line["who"] if named else "",
        "owed": line["owed"],
        "left": days_left(case.window_ends_at, teller.now),
        "ends": teller.moment(case.window_ends_at),
        "why": line["why"],
    }


def days_left(ends_at: datetime, now: datetime) -> str:
    """Whole days until a window ends."""
    days = (ends_at - now).days
    if days < 0:
        return "over"
    return {0: "less than a day", 1: "1 day"}.get(days, f"{days} days")
