"""A whole list of Stripe's, page by page, where a part of it would be taken for all there is."""

from collections.abc import Awaitable, Callable
from typing import Any

from stripe import StripeObject

from app.providers.stripe.connection import json_of
from app.providers.stripe.reading import Json, ref, rows

PAGE = 100  # Stripe's own limit
Call = Callable[[Any], Awaitable[StripeObject]]


async def every_row(
    call: Call, *, enough: Callable[[Json], bool] = lambda row: False, **asked: Any
) -> list[Json]:
    """The rows of a list, in its own order, which is from new to old; a call for each hundred.

    Reading on ends with the page that has a row of which `enough` says that nothing beyond it
    matters. Raises what the call raises.
    """
    found: list[Json] = []
    params = {**asked, "limit": PAGE}
    while True:
        answer = await json_of(call(params))
        page = list(rows(answer))
        found += page
        last = ref(page[-1]) if page else None
        if last is None or answer.get("has_more") is not True or any(map(enough, page)):
            return found
        params["starting_after"] = last
