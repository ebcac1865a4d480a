"""Refusals in the provider's form: one exception, and a name for each kind of refusal."""

from typing import Any

Thing = dict[str, Any]


class ApiError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        error: the `error` object of the answer.
        executed: the request began to run, so its answer is kept under its idempotency key.
        keeps: what the request changed before it failed stays (a declined charge is a fact).
    """

    def __init__(
        self, status: int, error: Thing, *, executed: bool = True, keeps: bool = False
    ) -> None:
        super().__init__(error.get("message"))
        self.status = status
        self.error = error
        self.executed = executed
        self.keeps = keeps


def _error(kind: str, message: str, code: str | None, param: str | None) -> Thing:
    error: Thing = {"type": kind, "message": message}
    if code is not None:
        error["code"] = code
    if param is not None:
        error["param"] = param
    return error


def refused(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """400: the request was understood but cannot be done in this state."""
    return ApiError(400, _error("invalid_request_error", message, code, param))


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """400: the parameters themselves are wrong; nothing ran and nothing is kept for the key."""
    return ApiError(400, _error("invalid_request_error", message, code, param), executed=False)


def missing_parameter(path: str) -> ApiError:
    """400: a required parameter is absent."""
    return invalid(f"Missing required param: {path}.", code="parameter_missing", param=path)


def unknown_parameter(path: str) -> ApiError:
    """400: a parameter this endpoint does not have."""
    return invalid(f"Received unknown parameter: {path}", code="parameter_unknown", param=path)


def no_such(kind: str, ident: str, param: str) -> ApiError:
    """404 for the object of the address itself, 400 for one named in a parameter."""
    error = _error("invalid_request_error", f"No such {kind}: '{ident}'", "resource_missing", param)
    return ApiError(404 if param == "id" else 400, error, executed=False)


def no_such_address(method: str, path: str) -> ApiError:
    """404: no endpoint here."""
    message = f"Unrecognized request URL ({method}: {path})."
    return ApiError(404, _error("invalid_request_error", message, None, None), executed=False)


def unauthorised(message: str) -> ApiError:
    """401: no key or not one of ours."""
    return ApiError(401, _error("invalid_request_error", message, None, None), executed=False)


def key_reused(message: str) -> ApiError:
    """400: one idempotency key, two different requests."""
    return ApiError(400, _error("idempotency_error", message, None, None), executed=False)


def card_refused(detail: Thing) -> ApiError:
    """402: the bank, the risk check or the missing authentication stopped a charge.

    `detail` carries code, decline_code, advice_code, network codes, charge, payment intent and
    method, as the payment recorded them.
    """
    return ApiError(402, {"type": "card_error", **detail}, keeps=True)
