"""The policy: what a merchant wants done about a failed payment. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.merchants import CollectionMode
from app.domain.notice_windows import REMINDERS, ReminderPolicy


class Strategy(StrEnum):
    """How retries are timed. `advice_only` decides as `rules` does and shows it, nothing more."""

    RULES = "rules"
    FIXED = "fixed"
    ADAPTIVE = "adaptive"
    ADVICE_ONLY = "advice_only"


class MessageClass(StrEnum):
    """Which refusals a message row is for."""

    ANY = "any"
    CARD = "card"
    SOFT = "soft"


class TrialConversion(StrEnum):
    """Whether a policy is for first invoices after a trial."""

    ANY = "any"
    ONLY = "only"
    NEVER = "never"


class Collection(StrEnum):
    """A policy may narrow its account's collection mode, and never widen it."""

    AS_ACCOUNT = "as_account"
    OBSERVE = "observe"


class PolicyState(StrEnum):
    """`DRAFT` until published; `PUBLISHED` while new cases may be given it, one version a name;
    `RETIRED` afterwards: cases that began with it keep it."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliesTo:
    """Which failures a policy is for. None is any of them; all that is given must hold.

    `segment` maps a key of the provider's metadata to the values that belong to it.
    """

    plans: tuple[str, ...] | None = None
    interval: tuple[str, ...] | None = None
    currency: tuple[str, ...] | None = None
    segment: Mapping[str, tuple[str, ...]] | None = None
    amount_min: int = 0
    amount_max: int | None = None
    trial_conversion: TrialConversion = TrialConversion.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Retries. `days` are offsets from the first failure, for the strategy `fixed` only."""

    strategy: Strategy = Strategy.RULES
    window_days: int = 28
    max_attempts: int = 8
    min_spacing_hours: int = 20
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """One row of the message table: `step` is its name, unique in the table.

    `day` counts from the first failure; `before_end` (days) counts back from the end instead;
    `on` names an event (`recovered`, `ended`) instead of a day. `on_failure` sends earlier: at
    the n-th failure. `channel` is `mail` or `sms`, which needs the customer's consent.
    """

    step: str
    template: str
    for_class: MessageClass = MessageClass.ANY
    day: int | None = None
    on_failure: int | None = None
    before_end: int | None = None
    on: str | None = None
    channel: str = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """The day, counted from the first failure, on which each level of access begins; None never.
    Until the first of them the customer has full access."""

    grace_days: int | None = 7
    restricted_day: int | None = 14
    blocked_day: int | None = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPolicy:
    """What happens at the end: to the subscription and to the invoice."""

    subscription: str = "cancel_now"
    invoice: str = "uncollectible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Below so many charges and letters an hour, and refunds a day, no fuse blows."""

    charges_per_hour: int = 20
    mails_per_hour: int = 50
    refunds_per_day: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy version. A case keeps the one it began with (`name@version`).

    `materiality_minor` is the least amount worth a letter, by currency; a case below it is
    silent, and a currency that is not named has no such bound. `backup_consent` is the key of
    customer metadata that says yes where other cards of theirs may be charged; None: never.
    """

    name: str = "default"
    version: int = 1
    applies_to: AppliesTo = AppliesTo()
    collection: Collection = Collection.AS_ACCOUNT
    retry: RetryPolicy = RetryPolicy()
    messages: tuple[MessageRow, ...] = ()
    access: AccessPolicy = AccessPolicy()
    end: EndPolicy = EndPolicy()
    reminders: ReminderPolicy = REMINDERS
    after_cancel: str = "forgive"
    late_payment: str = "settle_only"
    backup_consent: str | None = None
    materiality_minor: Mapping[str, int] = field(default_factory=dict)
    bounds: Bounds = Bounds()

    def is_material(self, amount_minor: int, currency: str) -> bool:
        """Whether somebody is written to about such an amount."""
        return amount_minor >= self.materiality_minor.get(currency, 0)

    def mode_in(self, account: CollectionMode) -> CollectionMode:
        """The collection mode of a case: the account's, unless this policy narrows it."""
        return CollectionMode.OBSERVE if self.collection is Collection.OBSERVE else account

    def drives(self, account: CollectionMode) -> bool:
        """Whether we retry: where the account drives and this policy does not only advise."""
        advises = self.retry.strategy is Strategy.ADVICE_ONLY
        return self.mode_in(account) is CollectionMode.DRIVE and not advises

    def means_the_same(self, other: "Policy") -> bool:
        """Whether the two say the same, whatever their versions."""
        if self.version != other.version:
            other = replace(other, version=self.version)
        return self == other

    @property
    def label(self) -> str:
        """What a case stores: `default@1`."""
        return f"{self.name}@{self.version}"


DEPLOYMENT = "deployment"  # who made a version that came from the policy file


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A stored policy document. The document never changes, only its state does.

    `made_by` and `published_by` name the API key, or `deployment` for the policy file, which is
    kept as a version when the first case begins under it.
    """

    KEY: ClassVar = ("merchant_id", "name", "version")
    UNIQUE: ClassVar = ()
    merchant_id: str
    name: str
    version: int
    document: dict[str, Any]
    state: PolicyState = PolicyState.DRAFT
    made_at: datetime | None = None
    made_by: str = ""
    published_at: datetime | None = None
    published_by: str | None = None
    retired_at: datetime | None = None

    @property
    def label(self) -> str:
        """As a case stores it: `default@1`."""
        return f"{self.name}@{self.version}"
