"""Who may open a cancel session, and who is in one: an API key, a customer token, its own token."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api import auth, customer_auth
from app.api.customer_auth import answer_origin, keep_pace, proved
from app.api.dependencies import WorldDep
from app.api.parameters import PLAIN
from app.api.problems import Problem
from app.domain.merchants import Scope
from app.domain.sessions import CancelSession
from app.ports.world import World
from app.services import api_keys
from app.services.cancel_opening import Wish
from app.services.customer_tokens import origins_of
from app.services.exits import session_of

TOKEN = re.compile(r"[0-9A-Za-z_-]{43}")
CURRENT = "current"  # whoever has only the token says so
MOST_ATTRIBUTES, LONGEST_NAME, LONGEST_VALUE = 20, 40, 500
BEARER = HTTPBearer(
    scheme_name="SessionToken",
    auto_error=False,
    description="The `token` of a cancel session, as it was given when the session was opened.",
)
Credentials = HTTPAuthorizationCredentials | None


def _refused() -> Problem:
    return Problem(
        "bad-session-token",
        "No token of this session was sent, or it counts no more.",
        headers={"WWW-Authenticate": "Bearer"},
    )


async def opener(
    request: Request,
    response: Response,
    world: WorldDep,
    key: Annotated[Credentials, Security(auth.BEARER, scopes=[Scope.SESSIONS_WRITE.value])],
    token: Annotated[Credentials, Security(customer_auth.BEARER)],
) -> Wish:
    """Who wants to open a session: the merchant's backend by its key, or the customer by a token.

    Of a customer nothing is taken from the request but the language: who they are, where, and
    what is said of them stands in the signed token.
    """
    _let_refusals_be_read(request)
    told = token.credentials if token else ""
    if told.count(".") != 2:  # no JWT
        secret = key.credentials if key else ""
        caller = await auth.caller_of(world, secret, Scope.SESSIONS_WRITE)
        return Wish(merchant_id=caller.merchant_id, opened_by=caller.key_id)
    short = customer_auth.LASTS_TO_LEAVE_S
    known = await proved(request, response, world, told, lasts_at_most_s=short)
    return Wish(
        merchant_id=known.asker.merchant_id,
        account_id=known.asker.account_id,
        customer_id=known.asker.customer_id,
        subscription_id=_text(known.claims.get("subscription"), 255),
        place=_text(known.claims.get("place"), 6),
        attributes=_attributes(known.claims.get("attributes")),
        opened_by="customer",
    )


OpenerDep = Annotated[Wish, Depends(opener)]


async def insider(
    request: Request,
    response: Response,
    world: WorldDep,
    credentials: Annotated[Credentials, Security(BEARER)],
) -> CancelSession:
    """The session of the token and of the path. A token of another session is refused as one that
    does not exist is: nobody learns which."""
    _let_refusals_be_read(request)
    named = request.path_params.get("session_id")
    session = await _session(world, credentials, None if named == CURRENT else named)
    if session is None:
        raise _refused()
    keep_pace(request, session.account_id, session.customer_id)
    answer_origin(request, response, await _origins(world, session))
    return session


SessionDep = Annotated[CancelSession, Depends(insider)]


async def undoer(
    request: Request,
    response: Response,
    world: WorldDep,
    key: Annotated[Credentials, Security(auth.BEARER, scopes=[Scope.SESSIONS_WRITE.value])],
    credentials: Annotated[Credentials, Security(BEARER)],
) -> "api_keys.Caller | CancelSession":
    """Who wants to take a cancellation back: the merchant's backend, or who has the session."""
    _let_refusals_be_read(request)
    told = credentials.credentials if credentials else ""
    if not TOKEN.fullmatch(told):
        secret = key.credentials if key else ""
        return await auth.caller_of(world, secret, Scope.SESSIONS_WRITE)
    session = await _session(world, credentials, None)
    if session is None:
        raise _refused()
    keep_pace(request, session.account_id, session.customer_id)
    answer_origin(request, response, await _origins(world, session))
    return session


UndoerDep = Annotated[api_keys.Caller | CancelSession, Depends(undoer)]


async def _session(
    world: World, credentials: Credentials, named: str | None
) -> CancelSession | None:
    token = credentials.credentials if credentials else ""
    return await session_of(world, token, named) if TOKEN.fullmatch(token) else None


def _let_refusals_be_read(request: Request) -> None:
    """A page whose token counts no more is to learn that, not that the network failed. Whose page
    it is nobody can tell then; a refusal says nothing of anybody."""
    if origin := request.headers.get("origin"):
        request.scope["allowed_origin"] = origin


async def _origins(world: World, session: CancelSession) -> frozenset[str]:
    """The merchant's pages, and our own: nobody else's page has our origin."""
    here = urlsplit(world.public_url)
    return await origins_of(world, session.merchant_id) | {f"{here.scheme}://{here.netloc}"}


def _text(claim: Any, longest: int) -> str | None:
    """A claim that is plain text, or None: what a backend signed by mistake is left out."""
    fits = isinstance(claim, str) and 0 < len(claim) <= longest and PLAIN.fullmatch(claim)
    return claim if fits else None


def _attributes(claim: Any) -> dict[str, str]:
    if not isinstance(claim, dict):
        return {}
    pairs = list(claim.items())[:MOST_ATTRIBUTES]
    return {
        name: value
        for name, value in pairs
        if _text(name, LONGEST_NAME) and _text(value, LONGEST_VALUE)
    }
