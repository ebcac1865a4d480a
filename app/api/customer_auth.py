"""Which customer is asking: a short-lived token that the merchant's backend signed."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

import jwt
from fastapi import Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.dependencies import WorldDep
from app.api.problems import Problem
from app.domain.ids import SHAPE
from app.domain.merchants import CustomerTokenKey
from app.ports.world import World
from app.services import customer_tokens
from app.services.me import Asker

AUDIENCE = "holdfast"
LONGEST_TOKEN = 4096
LASTS_AT_MOST_S = 3600
LASTS_TO_LEAVE_S = 900  # one that opens a cancel session acts, so it is worth less to a thief
CLOCK_SLACK_S = 60  # the backend's clock is not ours
BEARER = HTTPBearer(
    scheme_name="CustomerToken",
    auto_error=False,
    bearerFormat="JWT",
    description="A JWT with `kid` (the customer token key), `aud` `holdfast`, `sub` (the "
    "customer's id at the provider), `iat` and `exp`, one hour apart at most, 15 minutes to open "
    "a cancel session; with an `iss`, that is the merchant's id.",
)


def _refused() -> Problem:
    return Problem(
        "bad-customer-token",
        "No customer token was sent, or it is not valid (any more).",
        headers={"WWW-Authenticate": "Bearer"},
    )


@dataclass(frozen=True, slots=True)
class Proved:
    """What a good token proves: who asks, and what else the merchant's backend said of them."""

    asker: Asker
    claims: Mapping[str, Any]


async def proved(
    request: Request,
    response: Response,
    world: World,
    token: str,
    *,
    lasts_at_most_s: int = LASTS_AT_MOST_S,
) -> Proved:
    """The customer of a token, with its claims. Ends in 401 without a valid token, in 403 for a
    page whose origin the key does not name, and in 429 for one who asks too often."""
    key, claims = await _verified(world, token)
    _require_fresh(claims, now=int(world.clock.now().timestamp()), lasts_at_most_s=lasts_at_most_s)
    if claims.get("iss") not in (None, key.merchant_id):
        raise _refused()
    subject = claims["sub"]
    answer_origin(request, response, key.origins)
    keep_pace(request, key.account_id, subject)
    asker = Asker(merchant_id=key.merchant_id, account_id=key.account_id, customer_id=subject)
    return Proved(asker, claims)


def answer_origin(request: Request, response: Response, origins: Collection[str]) -> None:
    """Let the page that asks read the answer, if its origin is one of these, and nobody else's."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in origins:
        request.scope.pop("allowed_origin", None)  # this refusal tells that the token is good
        raise Problem("origin-not-allowed", "The key of this token does not name your origin.")
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        request.scope["allowed_origin"] = origin  # a problem is to be read as well
    response.headers["Vary"] = "Origin"


def keep_pace(request: Request, account_id: str, customer_id: str) -> None:
    """End in 429 for a customer who asks more often than any page needs."""
    wait = request.app.state.pace.wait_s((account_id, customer_id), at=time.monotonic())
    if wait > 0:
        headers = {"Retry-After": str(max(1, round(wait)))}
        raise Problem("too-many-requests", "Ask again later.", headers=headers)


async def customer(
    request: Request,
    response: Response,
    world: WorldDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Asker:
    """The customer of the token; see `proved`."""
    token = credentials.credentials if credentials else ""
    return (await proved(request, response, world, token)).asker


CustomerDep = Annotated[Asker, Depends(customer)]


async def _verified(world: World, token: str) -> tuple[CustomerTokenKey, dict[str, Any]]:
    """The key and the claims of a token that was signed with it, by its own algorithm alone."""
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        raise _refused()
    try:
        named = jwt.get_unverified_header(token).get("kid")
        found = await customer_tokens.find(world, named) if _is_key_id(named) else None
        if found is None:
            raise _refused()
        key, material = found
        return key, jwt.decode(
            token,
            material,
            algorithms=[key.algorithm.value],
            audience=AUDIENCE,
            # Instants are compared with our own clock, below.
            options={
                "require": ["exp", "iat", "sub", "aud"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.InvalidTokenError, UnicodeError, RecursionError) as bad:
        raise _refused() from bad


def _is_key_id(named: object) -> TypeGuard[str]:
    return isinstance(named, str) and SHAPE.fullmatch(named) is not None


def _require_fresh(claims: dict[str, Any], *, now: int, lasts_at_most_s: int) -> None:
    begins, ends, starts = claims["iat"], claims["exp"], claims.get("nbf", 0)
    if any(type(instant) is not int for instant in (begins, ends, starts)):
        raise _refused()
    fresh = max(begins, starts) - CLOCK_SLACK_S <= now < ends
    subject = claims["sub"]
    plain = 0 < len(subject) <= 255 and all("!" <= letter <= "~" for letter in subject)
    if not fresh or not plain or not 0 < ends - begins <= lasts_at_most_s:
        raise _refused()
