"""The pace of the pages that a link in a letter opens: the same as of the API."""

import time
from hashlib import sha256

from starlette.responses import Response

from app.domain.paces import Pace
from app.pages.headers import page
from app.pages.views import Page


def wait_of(pace: Pace, who: object) -> float:
    """0 where somebody may ask now, else how long they are to wait."""
    return pace.wait_s(who, at=time.monotonic())


def wait_for(pace: Pace, token: str) -> float:
    """The same of whoever holds a link. Of the token nothing is kept, however long it is."""
    return wait_of(pace, sha256(token.encode("utf-8", "replace")).digest())


def later(told: Page, wait_s: float, *, csp: str) -> Response:
    """The page that asks to wait."""
    response = page(told.html, status=told.status, csp=csp)
    response.headers["Retry-After"] = str(max(1, round(wait_s)))
    return response
