"""The table every address is a row of."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, no_such_address
from app.providers.sandbox.params import Accepts, anything, text, whole

Handler = Callable[[Core, Thing, tuple[str, ...]], Thing]
"""(world, parameters as read, ids from the address) -> the object or the page to answer with."""

PAGING: Accepts = {
    "limit": whole,
    "starting_after": text,
    "ending_before": text,
    "created": anything,
}


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: its method and address, what carries it out, the parameters it knows."""

    method: str
    path: str
    handler: Handler
    accepts: Accepts = field(default_factory=dict)
    needs: tuple[str, ...] = ()


class Table:
    """Finds the route of an address."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[tuple[str, str], Route] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Route]] = []
        for route in routes:
            if "{" not in route.path:
                self._fixed[route.method, route.path] = route
            else:
                pattern = re.sub(r"\{\w+\}", "([^/]+)", route.path)
                self._patterns.append((route.method, re.compile(f"{pattern}$"), route))

    def find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]]:
        """The route and the ids in the address.

        Raises:
            ApiError: 404, unknown address.
        """
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, ()
        for wanted, pattern, route in self._patterns:
            match = pattern.match(path) if wanted == method else None
            if match:
                return route, match.groups()
        raise no_such_address(method, path)
