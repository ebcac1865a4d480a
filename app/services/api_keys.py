"""API keys: made once, shown once, stored as a hash, asked for with every call."""

import hashlib
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.ids import derive_id
from app.domain.merchants import ApiKey, ProviderAccount, Scope
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.merchants import OtherMode

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH = 43  # base62 digits that carry 256 bits
LAST_USED_STEP = timedelta(hours=1)  # "last used" is exact to this, to spare a write a call


class UnknownKey(LookupError):
    """The merchant has no such key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls the API: a key of one merchant."""

    merchant_id: str
    key_id: str
    scopes: frozenset[str]


async def create_key(
    world: World,
    *,
    merchant_id: str,
    name: str,
    scopes: Collection[Scope],
    actor: str,
    live: bool | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make an API key; returns it and its secret, which nobody can show a second time.

    It begins with `hf_live_` or `hf_test_`, as the merchant's accounts are; where there are none
    yet `live` says which, and is `hf_live_` without a word. Raises `OtherMode` where `live` says
    something else than the accounts: a key for tests must not act on a live account.
    """
    accounts = await _accounts(world, merchant_id)
    if live is not None and any(account.live is not live for account in accounts):
        raise OtherMode(live=not live)
    if live is None:
        live = not accounts or any(account.live for account in accounts)
    now = world.clock.now()
    random = "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    secret = f"hf_{'live' if live else 'test'}_{random}"
    key = ApiKey(
        key_id=derive_id("key", now, merchant_id, hash_of(secret)),
        merchant_id=merchant_id,
        name=name,
        secret_hash=hash_of(secret),
        scopes=tuple(sorted(scopes)),
        created_at=now,
        expires_at=expires_at,
    )
    made = audit(actor=actor, action="key.created", subject=key.key_id, at=now, after=key)
    async with world.store.transaction(merchant_id) as tx:
        await tx.insert([key])
        await tx.insert([made])
    return key, secret


async def _accounts(world: World, merchant_id: str) -> list[ProviderAccount]:
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(ProviderAccount, where={"merchant_id": merchant_id})


def hash_of(secret: str) -> str:
    """What is stored of an API key. No salt and no slow hash: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def revoke_key(world: World, *, merchant_id: str, key_id: str, actor: str) -> ApiKey:
    """End a key at once. One revoked before stays as it is. Raises `UnknownKey`."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        key = await _held(tx, key_id)
        if key is None:
            raise UnknownKey(key_id)
        if key.revoked_at is not None:
            return key
        ended = replace(key, revoked_at=now)
        await tx.save([ended])
        await tx.insert(
            [
                audit(
                    actor=actor,
                    action="key.revoked",
                    subject=key_id,
                    at=now,
                    before=key,
                    after=ended,
                )
            ]
        )
    return ended


async def list_keys(world: World, *, merchant_id: str) -> list[ApiKey]:
    """The keys of a merchant, oldest first."""
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            ApiKey, where={"merchant_id": merchant_id}, order=("created_at", "key_id")
        )


async def authenticate(world: World, secret: str) -> Caller | None:
    """Who this secret belongs to, or None: unknown, expired or revoked, which no caller can
    tell apart. Remembers when a key was last used, to the hour."""
    now = world.clock.now()
    async with world.store.system() as tx:
        found = await tx.find(ApiKey, where={"secret_hash": hash_of(secret)}, limit=1)
    key = found[0] if found else None
    if key is None or not _is_valid(key, now):
        return None
    if key.last_used_at is None or now - key.last_used_at >= LAST_USED_STEP:
        await _note_use(world, key, now)
    return _caller(key)


async def recognise(world: World, key_id: str) -> Caller | None:
    """Who signed in with this key earlier, with the scopes it has now; None once it is revoked
    or has expired. Changes nothing. `key_id` must come from a sealed session, never from a form."""
    async with world.store.system() as tx:
        found = await tx.find(ApiKey, where={"key_id": key_id}, limit=1)
    valid = [key for key in found if _is_valid(key, world.clock.now())]
    return _caller(valid[0]) if valid else None


def _is_valid(key: ApiKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _caller(key: ApiKey) -> Caller:
    return Caller(merchant_id=key.merchant_id, key_id=key.key_id, scopes=frozenset(key.scopes))


async def _note_use(world: World, key: ApiKey, now: datetime) -> None:
    """Read again under the lock: a key revoked meanwhile must stay revoked."""
    async with world.store.transaction(key.merchant_id) as tx:
        current = await _held(tx, key.key_id)
        if current is not None:
            await tx.save([replace(current, last_used_at=now)])


async def _held(tx: Transaction, key_id: str) -> ApiKey | None:
    await tx.lock("api_keys", [key_id])
    rows = await tx.load(ApiKey, [(key_id,)])
    return rows[0] if rows else None
