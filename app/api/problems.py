"""Everything that goes wrong, as RFC 9457 problem documents with stable types.

A problem's `type` is the relative reference `/problems/<name>`; `GET` on it explains the name.
No document repeats what the caller sent (it may be a secret) or tells what is inside of us.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
import uuid_utils
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.domain.documents import PLAIN_KEY
from app.ports.payments import AccountRefused, ProviderUnavailable
from app.ports.store import Conflict, Full, RowRefused, StoreUnavailable

log = structlog.stdlib.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
OF_A_KEY = "[key]"  # pydantic's word for the name of a field that is wrong
GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A stable type of problem. `meaning` is what its page says."""

    name: str
    status: int
    title: str
    meaning: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("malformed-request", 400, "Malformed request", "The request cannot be read."),
        Kind(
            "bad-signature",
            400,
            "Signature does not fit",
            "The webhook was not signed with a secret of this provider account within the last "
            "five minutes.",
        ),
        Kind(
            "bad-event",
            400,
            "Not an event",
            "The webhook was signed, but it is not an event: no JSON object, no id or no type.",
        ),
        Kind(
            "unauthenticated",
            401,
            "No valid API key",
            "Send `Authorization: Bearer hf_…` with a key that exists, has not expired and was "
            "not revoked.",
        ),
        Kind(
            "bad-customer-token",
            401,
            "No valid customer token",
            "Send `Authorization: Bearer …` with a token that the merchant's backend signed for "
            "this customer with a customer token key, for one hour at most.",
        ),
        Kind(
            "bad-session-token",
            401,
            "No valid session token",
            "Send `Authorization: Bearer …` with the token of this cancel session. It counts while "
            "the session may be acted in, and shows the receipt until a month after the end.",
        ),
        Kind("forbidden", 403, "Not allowed", "The API key lacks the scope of this route."),
        Kind(
            "origin-not-allowed",
            403,
            "Origin not allowed",
            "The customer token key does not name the origin of this page.",
        ),
        Kind(
            "not-found",
            404,
            "Not found",
            "There is no such thing, or it belongs to somebody else.",
        ),
        Kind(
            "method-not-allowed", 405, "Method not allowed", "See the `Allow` header of the answer."
        ),
        Kind(
            "not-acceptable",
            406,
            "Not acceptable",
            "The answer does not exist in any form that `Accept` names.",
        ),
        Kind("request-timeout", 408, "Too slow", "The body did not arrive within 15 seconds."),
        Kind(
            "conflict",
            409,
            "Conflict",
            "The request does not fit the present state; read it again before deciding.",
        ),
        Kind("case-over", 409, "The case is over", "Nothing is collected any more."),
        Kind(
            "case-ending",
            409,
            "The case is ending",
            "Its end is being carried out at the provider at this moment.",
        ),
        Kind(
            "case-parked",
            409,
            "The case is parked",
            "A person has to look at it: release it first, or stop it.",
        ),
        Kind("case-held", 409, "The case is on hold", "Release it first."),
        Kind(
            "case-disputed",
            409,
            "The case is held by a dispute",
            "It goes on when the bank has decided. To release it before that, name the reason.",
        ),
        Kind("not-held", 409, "Not on hold", "There is no such hold to release."),
        Kind(
            "never-charged",
            409,
            "Never charged",
            "The customer is to pay it by themselves, or the provider retries it.",
        ),
        Kind(
            "attempt-under-way",
            409,
            "An attempt is under way",
            "A charge was ordered or its outcome is not known yet; one at a time.",
        ),
        Kind(
            "network-limit",
            409,
            "The network does not allow it",
            "The rules of the card's network allow no attempt now; `detail` says from when on.",
        ),
        Kind("day-over", 409, "The day is over", "A hold ends on a day that is still to come."),
        Kind(
            "idempotency-key-reused",
            409,
            "Idempotency key used before",
            "The `Idempotency-Key` was sent with another command. A new command has a new key.",
        ),
        Kind("body-too-large", 413, "Body too large", "The body is larger than this route takes."),
        Kind("unsupported-media-type", 415, "Unsupported media type", "Send `application/json`."),
        Kind(
            "invalid-parameters",
            422,
            "Invalid parameters",
            "`errors` lists what is wrong, and where.",
        ),
        Kind(
            "bad-wording",
            422,
            "Wording refused",
            "A letter in these words could not be sent: `errors` says which part, and why.",
        ),
        Kind(
            "too-many-requests",
            429,
            "Too many requests",
            "This customer asks more often than any page needs; come back after `Retry-After` "
            "seconds.",
        ),
        Kind(
            "internal-error",
            500,
            "Internal error",
            "A fault of ours. It is logged under the request id in the answer.",
        ),
        Kind(
            "unavailable",
            503,
            "Unavailable",
            "Something we depend on does not answer. Nothing was half-written; come back after "
            "`Retry-After` seconds.",
        ),
    )
}
OF_STATUS = {kind.status: kind for kind in reversed(KINDS.values())}


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")
    where: str = Field(description="Such as `query.limit` or `body.name`.")
    what: str


class ProblemOut(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(title="Problem", extra="forbid")
    type: str = Field(description="`/problems/<name>`; stable, made to be compared.")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="Under this id our logs know the request.")
    errors: list[Fault] = Field(default_factory=list)


class Problem(Exception):
    """Ends a request with a problem document.

    Args:
        name: a name of `KINDS`.
        detail: what went wrong this time, in words; never what the caller sent.
        errors: pairs of where and what.
    """

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = KINDS[name]
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(where: str, what: str) -> Problem:
    """The problem of one wrong parameter: `invalid("query.from", "must not be after `to`")`."""
    return Problem("invalid-parameters", "A parameter is not valid.", errors=[(where, what)])


def unavailable(detail: str, retry_after_s: float | None = None) -> Problem:
    """The problem of something that does not answer now."""
    wait = max(1, round(retry_after_s or RETRY_AFTER_S))
    return Problem("unavailable", detail, headers={"Retry-After": str(wait)})


def request_id(scope: Scope) -> str:
    """The request's id: the caller's `X-Request-Id` if it is a sensible one, else a new one."""
    if "request_id" not in scope:
        given = [value for name, value in scope["headers"] if name == b"x-request-id"]
        sensible = len(given) == 1 and GIVEN_ID.fullmatch(given[0])
        scope["request_id"] = given[0].decode() if sensible else uuid_utils.uuid7().hex
    found: str = scope["request_id"]
    return found


def answer(problem: Problem, scope: Scope) -> Response:
    """The response of a problem, with the headers that must not depend on who sends it."""
    document: dict[str, Any] = {
        "type": f"/problems/{problem.kind.name}",
        "title": problem.kind.title,
        "status": problem.kind.status,
        "detail": _speakable(problem.detail),
        "request_id": request_id(scope),
    }
    if problem.errors:
        document["errors"] = [
            {"where": _speakable(where), "what": _speakable(what)} for where, what in problem.errors
        ]
    return Response(
        orjson.dumps(document),
        status_code=problem.kind.status,
        media_type=MEDIA_TYPE,
        headers={
            "X-Request-Id": request_id(scope),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            **_for_the_page(scope),
            **problem.headers,
        },
    )


def _speakable(text: str) -> str:
    """A text as JSON can hold it, whatever came into it."""
    return text.encode("utf-8", "replace").decode()


def _for_the_page(scope: Scope) -> dict[str, str]:
    """Let a page read what went wrong, if its origin was found to be one of the merchant's."""
    origin = scope.get("allowed_origin")
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def problems(*names: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may end in these problems. Those every route may end in
    (a wrong parameter, a bad key, an outage) are added to all."""
    listed: dict[int | str, dict[str, Any]] = {}
    for kind in (KINDS[name] for name in names):
        listed[kind.status] = {
            "description": kind.title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return listed


OF_EVERY_CALLER = problems("unauthenticated", "forbidden", "invalid-parameters", "unavailable")
OF_EVERY_BODY = problems(
    "malformed-request", "request-timeout", "body-too-large", "unsupported-media-type"
)


def of_validation(error: RequestValidationError) -> Problem:
    """Where and what, never the value: it may be a secret or a customer's data. So may the name of
    a field that the caller made up: one that is no plain word is left out."""
    found = [
        (".".join(_named(part) for part in fault["loc"]), str(fault["msg"]))
        for fault in error.errors()
    ]
    if any(fault["type"] == "json_invalid" for fault in error.errors()):
        return Problem("malformed-request", "The body is not JSON.")
    return Problem("invalid-parameters", "A parameter is not valid.", errors=found)


def _named(part: str | int) -> str:
    plain = part == OF_A_KEY or PLAIN_KEY.fullmatch(str(part))
    return str(part) if plain else "…"


def of_refused(refused: RowRefused) -> Problem:
    """A rule of the database that no check before it knew: text that no column can hold."""
    log.warning("row_refused", error=str(refused))
    return Problem("invalid-parameters", "Something in the request cannot be kept as it is.")


def of_http(error: HTTPException) -> Problem:
    """What the framework found wrong (no route, wrong method), in our words."""
    kind = OF_STATUS.get(error.status_code)
    if kind is None:
        kind = KINDS["malformed-request" if error.status_code < 500 else "internal-error"]
    return Problem(kind.name, kind.meaning, headers=error.headers)


def install(app: FastAPI) -> None:
    """Let every error of an app end as a problem document."""

    def answers(to_problem: Any) -> Any:
        async def handler(request: Request, error: Any) -> Response:
            return answer(to_problem(error), request.scope)

        return handler

    app.add_exception_handler(Problem, answers(lambda problem: problem))
    app.add_exception_handler(RequestValidationError, answers(of_validation))
    app.add_exception_handler(HTTPException, answers(of_http))
    app.add_exception_handler(RowRefused, answers(of_refused))
    for outage, words in (
        (StoreUnavailable, "The database does not answer."),
        (Conflict, "Somebody else wrote at the same moment."),
        (Full, "Too much is waiting already."),
        (AccountRefused, "The payment provider refuses our key."),
    ):
        app.add_exception_handler(outage, answers(lambda _, words=words: unavailable(words)))
    app.add_exception_handler(
        ProviderUnavailable,
        answers(
            lambda error: unavailable("The payment provider does not answer.", error.retry_after_s)
        ),
    )
    app.add_exception_handler(
        500, answers(lambda _: Problem("internal-error", KINDS["internal-error"].meaning))
    )
