"""Keys with which merchants' backends sign customer tokens: made, listed, revoked, looked up."""

import base64
import secrets
from collections.abc import Collection
from dataclasses import replace

from app.domain.ids import derive_id
from app.domain.merchants import CustomerTokenKey, ProviderAccount, TokenAlgorithm
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit

SECRET_PREFIX, SECRET_BYTES = "hfct_", 32
MOST_KEYS = 10  # not revoked, of one merchant: enough to rotate one for each of its apps


class UnknownTokenKey(LookupError):
    """The merchant has no such key."""


class UnknownTokenAccount(LookupError):
    """The merchant has no such provider account."""


class TooManyTokenKeys(ValueError):
    """The merchant has as many keys as it may."""


async def create(
    world: World,
    merchant_id: str,
    *,
    account_id: str,
    name: str,
    origins: Collection[str],
    public_key: str | None,
    actor: str,
) -> tuple[CustomerTokenKey, str | None]:
    """Make a key for the customers of an account: for EdDSA with the merchant's `public_key` in
    PEM, else for HS256 with a new secret, returned here and nowhere else.

    To rotate: make a new one, sign with it, revoke the former. Raises `UnknownTokenAccount` and
    `TooManyTokenKeys`.
    """
    now = world.clock.now()
    random = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=")
    secret = None if public_key else SECRET_PREFIX + random
    key = CustomerTokenKey(
        key_id=derive_id("token_key", now, merchant_id, random),
        merchant_id=merchant_id,
        account_id=account_id,
        name=name,
        algorithm=TokenAlgorithm.EDDSA if public_key else TokenAlgorithm.HS256,
        material_sealed=world.sealer.seal(public_key or secret or ""),
        origins=tuple(sorted(set(origins))),
        created_at=now,
    )
    made = audit(
        actor=actor, action="customer_token_key.created", subject=key.key_id, at=now, after=key
    )
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("customer_token_keys", [merchant_id])
        accounts = await tx.load(ProviderAccount, [(account_id,)])
        if not accounts:
            raise UnknownTokenAccount(account_id)
        if sum(known.revoked_at is None for known in await _of(tx, merchant_id)) >= MOST_KEYS:
            raise TooManyTokenKeys(f"a merchant has at most {MOST_KEYS} customer token keys")
        await tx.insert([key])
        await tx.insert([made])
    return key, secret


async def list_keys(world: World, merchant_id: str) -> list[CustomerTokenKey]:
    """The keys of a merchant, oldest first, the revoked ones too."""
    async with world.store.transaction(merchant_id) as tx:
        return await _of(tx, merchant_id)


async def revoke(world: World, merchant_id: str, key_id: str, *, actor: str) -> None:
    """End a key, and every token signed with it, at once. Raises `UnknownTokenKey`."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("customer_token_keys", [merchant_id])
        rows = await tx.load(CustomerTokenKey, [(key_id,)])
        if not rows:
            raise UnknownTokenKey(key_id)
        if rows[0].revoked_at is not None:
            return
        ended = replace(rows[0], revoked_at=now)
        await tx.save([ended])
        line = audit(
            actor=actor,
            action="customer_token_key.revoked",
            subject=key_id,
            at=now,
            before=rows[0],
            after=ended,
        )
        await tx.insert([line])


async def find(world: World, key_id: str) -> tuple[CustomerTokenKey, str] | None:
    """The key a token names and what it is verified with; None for an unknown or revoked one."""
    async with world.store.system() as tx:
        rows = await tx.load(CustomerTokenKey, [(key_id,)])
    if not rows or rows[0].revoked_at is not None:
        return None
    return rows[0], world.sealer.open(rows[0].material_sealed)


async def origins_of(world: World, merchant_id: str) -> frozenset[str]:
    """The pages that a merchant lets ask: those that its keys name, the revoked ones not."""
    async with world.store.transaction(merchant_id) as tx:
        known = await _of(tx, merchant_id)
    return frozenset(o for key in known if key.revoked_at is None for o in key.origins)


async def _of(tx: Transaction, merchant_id: str) -> list[CustomerTokenKey]:
    where = {"merchant_id": merchant_id}
    return await tx.find(CustomerTokenKey, where=where, order=("created_at", "key_id"))
