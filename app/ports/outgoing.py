"""Requests to addresses that merchants name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How one request went. `status` is None where no answer came; then `text` says why, else it
    is the beginning of the answer. `ms` is how long it took, `retry_after_s` what was asked for."""

    status: int | None
    ms: int
    text: str
    retry_after_s: float | None = None

    @property
    def is_taken(self) -> bool:
        """Whether it was answered 2xx."""
        return self.status is not None and 200 <= self.status < 300


class Outgoing(Protocol):
    def why_not(self, url: str) -> str | None:
        """Why nothing would be sent to this URL, as far as it shows; None where nothing does."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send one request and never a second: no redirect, no repeat. Raises nothing for what an
        address, a name server or the other side may do; an inside address is no answer either."""
        ...
