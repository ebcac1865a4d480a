"""How fast we ask one account of Stripe's: never knowingly beyond its limits, slower when told so.

Stripe limits requests per account and second, in all and for each endpoint (100 and 25 in live
mode, 25 in its sandboxes; docs.stripe.com/rate-limits, read in November 2026), and others use the
same account. So a ceiling is only where we begin: whoever is answered 429 goes slower by a third
and then faster again, evenly, until the ceiling is reached after a minute. Several processes share
an account's limit in this way without speaking to each other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SLOWER = 0.7
RECOVERS_IN_S = 60.0
SLOWEST = 1.0
BURST_S = 0.5  # so much of a second may go at once after a rest
MOST_ACCOUNTS = 10_000
LONGEST_S = 3600.0  # longer than any provider means; a word that is no time closes nothing for good
REASON = "stripe-rate-limited-reason"
# What tells an id from a word of the address: `in_1Pq`, not `create_preview`.
ID = re.compile(r"/[a-z_]+_[A-Za-z0-9_]*[A-Z0-9][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a second to one account at most: in all, and to one endpoint."""

    whole: float = 80.0
    endpoint: float = 20.0


@dataclass(slots=True)
class Bucket:
    """The pace of one limit. Instants are monotonic seconds."""

    ceiling: float
    _rate: float = 0.0
    _slowed_at: float = 0.0
    _next_at: float = 0.0
    _closed_until: float = 0.0

    def __post_init__(self) -> None:
        self._rate = self.ceiling

    def rate(self, now: float) -> float:
        """Requests a second that are right now."""
        regained = (now - self._slowed_at) * self.ceiling / RECOVERS_IN_S
        return min(self.ceiling, self._rate + max(regained, 0.0))

    def free_at(self, now: float) -> float:
        """When the next request may go."""
        return max(self._next_at, now - BURST_S, self._closed_until)

    def take(self, now: float) -> None:
        """Take that turn. Each limit counts for itself: whoever waits for one endpoint keeps the
        account's others from nothing."""
        self._next_at = self.free_at(now) + 1 / self.rate(now)

    def slow_down(self, now: float, wait_s: float) -> None:
        """The limit was met: nothing for `wait_s`, and then slower. What was under way at the same
        time meets it too and says nothing new."""
        self._closed_until = max(self._closed_until, now + wait_s)
        if now - self._slowed_at >= 1.0:
            self._rate, self._slowed_at = max(SLOWER * self.rate(now), SLOWEST), now


@dataclass(slots=True)
class Pacer:
    """The paces of every account, by what its requests are authorised with."""

    limits: Limits = field(default_factory=Limits)
    _buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def turn(self, who: str, method: str, path: str, *, now: float, within_s: float) -> float:
        """How long to wait for the next turn; it is taken if that is not beyond `within_s`."""
        buckets = self._of(who, method, path)
        at = max(bucket.free_at(now) for bucket in buckets)
        if at - now <= within_s:
            for bucket in buckets:
                bucket.take(now)
        return max(at - now, 0.0)

    def met(
        self, who: str, method: str, path: str, *, now: float, wait_s: float, reason: str
    ) -> None:
        """A request was answered 429 for `reason`, as Stripe's header names it."""
        whole, endpoint = self._of(who, method, path)
        limited = endpoint if reason.startswith("endpoint") else whole
        limited.slow_down(now, wait_s)

    def _of(self, who: str, method: str, path: str) -> tuple[Bucket, Bucket]:
        if len(self._buckets) > MOST_ACCOUNTS:
            self._buckets.clear()
        whole = self._buckets.setdefault((who, ""), Bucket(self.limits.whole))
        name = f"{method} {endpoint_of(path)}".lower()
        endpoint = self._buckets.setdefault((who, name), Bucket(self.limits.endpoint))
        return whole, endpoint


def endpoint_of(path: str) -> str:
    """The address without its ids: Stripe counts all of one form together."""
    return ID.sub("/{id}", path)


def who_asks(url: str, headers: Mapping[str, str]) -> str:
    """Whose limits a request counts against: host and authorisation, as given. Kept in memory
    only, beside the keys themselves."""
    named = {name.lower(): value for name, value in headers.items()}
    host = urlsplit(url).netloc
    return "|".join((host, named.get("authorization", ""), named.get("stripe-account", "")))


def seconds_of(said: str) -> float:
    """The seconds of a `Retry-After`, an hour at most; 0 where it says none."""
    try:
        asked = float(said)
    except ValueError:
        return 0.0
    return min(asked, LONGEST_S) if asked > 0 else 0.0  # also where it is no number at all
