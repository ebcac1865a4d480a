"""How many requests the account answers in a second, and which are told to come again later."""

from collections.abc import Callable

from app.providers.sandbox.errors import ApiError, Thing
from app.providers.sandbox.routing import Table

WHOLE = "global-rate"
ENDPOINT = "endpoint-rate"


class Rates:
    """A bucket for the account and one for each endpoint: filled evenly, a second's worth deep.

    The names of the limits are those of Stripe's header `Stripe-Rate-Limited-Reason`.

    Args:
        table: what tells the endpoint of an address.
        tells: seconds of real time, whatever the world's clock says.
    """

    def __init__(self, table: Table, tells: Callable[[], float]) -> None:
        self._table, self._tells = table, tells
        self._left: dict[str, tuple[float, float]] = {}
        self.refused = 0

    def refuses(self, settings: Thing, method: str, path: str) -> str | None:
        """Which limit this request would exceed; None where it is within all, and counted."""
        limits = {WHOLE: settings["requests_per_second"]}
        if settings["requests_per_endpoint"]:
            limits[self._endpoint(method, path)] = settings["requests_per_endpoint"]
        left = {name: self._filled(name, limit) for name, limit in limits.items() if limit}
        for name, found in left.items():
            if found < 1:
                self.refused += 1
                return WHOLE if name == WHOLE else ENDPOINT
        now = self._tells()
        self._left |= {name: (found - 1, now) for name, found in left.items()}
        return None

    def _filled(self, name: str, limit: float) -> float:
        now = self._tells()
        left, at = self._left.get(name, (limit, now))
        return min(float(limit), left + (now - at) * limit)

    def _endpoint(self, method: str, path: str) -> str:
        try:
            return f"{method} {self._table.find(method, path)[0].path}"
        except ApiError:
            return "none"
