"""The provider accounts webhooks come in for, with their opened secrets, kept for a moment."""

import asyncio
import time
from dataclasses import dataclass

import structlog

from app.domain.merchants import ProviderAccount
from app.ports.secrets import SecretUnreadable
from app.ports.store import StoreUnavailable
from app.ports.world import World
from app.services import merchants

log = structlog.stdlib.get_logger(__name__)

FRESH_S = 30.0  # a retired secret is accepted at most this much longer
EAGER_S = 1.0  # after a miss or a bad signature we look again, but not more often than this
MOST_NOTED = 1_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An account as intake needs it. `read_at` is monotonic time."""

    account: ProviderAccount
    secrets: tuple[str, ...]
    read_at: float


class WebhookAccounts:
    """A short-lived copy of provider accounts, so that a webhook costs no query.

    With the database down, what was read before goes on being used: the signature can still be
    judged, and the event itself is refused where it cannot be stored.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, Endpoint] = {}
        self._asked_at: dict[str, float] = {}  # misses and bad signatures
        self._reading = asyncio.Lock()

    async def get(self, account_id: str) -> Endpoint | None:
        """The endpoint of an account id; None if there is no such account.

        Raises `StoreUnavailable` and `SecretUnreadable` for one that was never read before.
        """
        known = self._known.get(account_id)
        if known is not None and time.monotonic() - known.read_at < FRESH_S:
            return known
        if known is None and self._asked_lately(account_id):
            return None
        return await self._in_turn(account_id, known)

    async def again(self, account_id: str) -> Endpoint | None:
        """The endpoint read anew, for when its secrets did not fit: they may have rotated."""
        known = self._known.get(account_id)
        if self._asked_lately(account_id):
            return known
        self._note(account_id)
        return await self._in_turn(account_id, known)

    def _asked_lately(self, account_id: str) -> bool:
        asked_at = self._asked_at.get(account_id)
        return asked_at is not None and time.monotonic() - asked_at < EAGER_S

    def _note(self, account_id: str) -> None:
        if len(self._asked_at) >= MOST_NOTED:
            self._asked_at.clear()
        self._asked_at[account_id] = time.monotonic()

    async def _in_turn(self, account_id: str, known: Endpoint | None) -> Endpoint | None:
        async with self._reading:
            latest = self._known.get(account_id)
            if latest is not known:
                return latest  # somebody else read it while we waited
            return await self._read(account_id, known)

    async def _read(self, account_id: str, known: Endpoint | None) -> Endpoint | None:
        try:
            account = await merchants.find_account(self._world, account_id)
            if account is None:
                self._known.pop(account_id, None)
                self._note(account_id)
                return None
            opened = tuple(map(self._world.sealer.open, account.webhook_secrets_sealed))
        except (StoreUnavailable, SecretUnreadable) as failure:
            log.warning("webhook account unreadable", account=account_id, error=str(failure))
            if known is None:
                raise
            return known
        endpoint = Endpoint(account, opened, time.monotonic())
        self._known[account_id] = endpoint
        return endpoint
