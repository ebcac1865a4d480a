"""What customers may use: `GET /v1/customers/{id}/access`, `/v1/me` and the keys of its tokens."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.api.access_schemas import CustomerAccessOut, MeOut, MyLinkOut
from app.api.auth import CasesReader
from app.api.customer_auth import CustomerDep
from app.api.dependencies import WorldDep
from app.api.parameters import ProviderId
from app.api.problems import Problem, problems
from app.services import access, me

router = APIRouter(prefix="/v1/customers", tags=["access"])
mine = APIRouter(prefix="/v1/me", tags=["access"])
OF_EVERY_CUSTOMER = problems(
    "bad-customer-token",
    "origin-not-allowed",
    "invalid-parameters",
    "too-many-requests",
    "unavailable",
)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin",
}
Language = Annotated[
    str,
    Query(
        pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$",
        max_length=35,
        description="BCP 47, for the notation of amounts.",
    ),
]


@router.get("/{customer}/access", responses=problems("conflict"))
async def show_access(
    caller: CasesReader,
    world: WorldDep,
    customer: Annotated[ProviderId, Path(description="The customer's id at the provider.")],
    account: Annotated[
        ProviderId | None,
        Query(description="`acc_…`; needed only where several of your accounts know the id."),
    ] = None,
) -> CustomerAccessOut:
    """What each subscription of a customer gives now, until when, and why. Computed when asked. A
    customer we do not know is `unknown`: let them in, as when no answer comes in time."""
    try:
        seen = await access.of_customer(world, caller.merchant_id, customer, account_id=account)
    except access.AmbiguousCustomer as several:
        raise Problem(
            "conflict", "Several of your accounts know this customer; name one with `account`."
        ) from several
    return CustomerAccessOut.of(customer, seen)


@mine.get("/status")
async def show_my_status(asker: CustomerDep, world: WorldDep, language: Language = "en") -> MeOut:
    """How the customer of the token stands: what is owed, what they may use, what happens next."""
    return MeOut.of(await me.status(world, asker), language)


@mine.post("/payment-link", responses=problems("not-found"))
async def make_my_payment_link(asker: CustomerDep, world: WorldDep) -> MyLinkOut:
    """The page on which the customer of the token settles their oldest open payment. The same link
    all day; nothing is charged by asking."""
    try:
        url, expires_at = await me.payment_link(world, asker)
    except me.NothingOwed as nothing:
        raise Problem("not-found", "This customer owes nothing.") from nothing
    return MyLinkOut(url=url, expires_at=expires_at)


@mine.options("/status", include_in_schema=False)
@mine.options("/payment-link", include_in_schema=False)
async def preflight(request: Request) -> Response:
    """What a browser asks first, without the token: any page may ask, and only with a token whose
    key names its origin does it get an answer. No cookie is ever looked at."""
    origin = request.headers.get("origin", "")
    allowed = {"Access-Control-Allow-Origin": origin} if origin else {}
    return Response(status_code=204, headers=PREFLIGHT | allowed)
