"""Who uses a deployment: merchants, their provider accounts and their keys."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class CollectionMode(StrEnum):
    """Who retries: the provider (`observe`) or we (`drive`)."""

    OBSERVE = "observe"
    DRIVE = "drive"


class Scope(StrEnum):
    """What an API key may do."""

    CASES_READ = "cases:read"
    CASES_WRITE = "cases:write"
    POLICIES_READ = "policies:read"
    POLICIES_WRITE = "policies:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_WRITE = "messages:write"
    FINANCE_READ = "finance:read"
    OPERATIONS_READ = "operations:read"
    CONFIG_WRITE = "config:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    FLOWS_READ = "flows:read"
    FLOWS_WRITE = "flows:write"
    PERSONAL_READ = "personal:read"
    PERSONAL_ERASE = "personal:erase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """A company whose customers pay. `assignment_key` keys the hash that draws holdouts.

    `attributes` are keys of metadata that ledgers keep from when they were named, and
    `past_attributes` those that they kept before.
    """

    KEY: ClassVar = ("merchant_id",)
    UNIQUE: ClassVar = ()
    merchant_id: str
    name: str
    time_zone: str = "UTC"
    language: str = "en"
    sender_email: str = "billing@localhost"
    sender_name: str = ""
    reply_to: str | None = None
    holdout_percent: int = 0
    assignment_key: str = ""
    attributes: tuple[str, ...] = ()
    past_attributes: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """One connected account. Secrets are sealed text (see the sealer port), never plain.

    `provider_ref` is the provider's own id (`acct_…`); `api_base` is set for the sandbox only.
    `paused_reason` set means: no call, no charge, no mail until a person resumes it. `created_at`
    is when it was connected, and until then when it was added.
    """

    KEY: ClassVar = ("account_id",)
    UNIQUE: ClassVar = ()
    account_id: str
    merchant_id: str
    provider: str = "stripe"
    provider_ref: str | None = None
    live: bool = False
    mode: CollectionMode = CollectionMode.OBSERVE
    api_key_sealed: str = ""
    webhook_secrets_sealed: tuple[str, ...] = ()
    webhook_endpoint_ref: str | None = None
    api_base: str | None = None
    paused_at: datetime | None = None
    paused_reason: str | None = None
    created_at: datetime | None = None


class TokenAlgorithm(StrEnum):
    """How customer tokens are signed: with a secret that we share, or with a key pair of which
    the merchant keeps the private half."""

    HS256 = "HS256"
    EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerTokenKey:
    """What a merchant's backend signs customer tokens with. `material_sealed` is the secret, or
    the public key in PEM. Customers are those of one account; browsers may ask from `origins`."""

    KEY: ClassVar = ("key_id",)
    UNIQUE: ClassVar = ()
    key_id: str
    merchant_id: str
    account_id: str
    name: str
    algorithm: TokenAlgorithm
    material_sealed: str
    origins: tuple[str, ...] = ()
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key: SHA-256 hex of a high-entropy secret; the secret is shown once, at making."""

    KEY: ClassVar = ("key_id",)
    UNIQUE: ClassVar = (("secret_hash",),)
    key_id: str
    merchant_id: str
    name: str
    secret_hash: str
    scopes: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A login of the database that reads a merchant's rows through the views of `reporting`, until
    `ended_at`."""

    KEY: ClassVar = ("login", "merchant_id")
    UNIQUE: ClassVar = ()
    login: str
    merchant_id: str
    begun_at: datetime
    ended_at: datetime | None = None
