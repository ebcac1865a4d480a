"""How a subscription stands at its provider, read live and in full: what an offer is judged by."""

from dataclasses import dataclass
from datetime import datetime

MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A recurring price. `unit_minor` is None where it has no single whole unit amount (tiers,
    parts of a cent)."""

    id: str
    currency: str
    unit_minor: int | None = None
    interval: str = "month"
    interval_count: int = 1
    metered: bool = False

    @property
    def months(self) -> int | None:
        """Months from one charge to the next; None for days and weeks."""
        months = MONTHS.get(self.interval)
        return months * self.interval_count if months else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a subscription: what it is billed by, how often it is taken, its period, and
    whether it has a discount of its own."""

    id: str
    price: Price
    quantity: int = 1
    discounted: bool = False
    period_start: datetime | None = None
    period_end: datetime | None = None

    @property
    def amount_minor(self) -> int | None:
        """A period's worth in minor units; None where the price does not say."""
        unit = self.price.unit_minor
        return None if unit is None or self.price.metered else unit * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Discounted:
    """A discount that stands on a subscription, and the coupon it came from. `once`: it is used up
    by one invoice."""

    id: str
    coupon: str | None = None
    ends_at: datetime | None = None
    once: bool = False

    def lasts(self, at: datetime, *, used: bool) -> bool:
        """Whether it still stands then; `used`: after an invoice."""
        return not (used and self.once) and (self.ends_at is None or self.ends_at > at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A subscription as it stands.

    `mark` is what our last change of its discounts wrote on it, `schedule_mark` the same of its
    schedule; `credits` are the marks of the customer's latest credits, where they were asked for.
    `pending` tells of a change that waits for the payment of `latest_invoice`, until
    `pending_until`. `collection_resumes_at` is when a pause of collection ends by itself; None
    where that is open. `customer_discounted`: the customer as a whole has a discount. `billed`: it
    is paid by bill, nobody is charged. `draft_minor` is what the latest invoice will charge within
    the hour, as long as it is a draft.
    """

    subscription_id: str
    customer_id: str | None
    status: str
    currency: str
    items: tuple[Item, ...]
    discounts: tuple[Discounted, ...] = ()
    customer_discounted: bool = False
    customer_discount: Discounted | None = None
    mark: str | None = None
    credits: frozenset[str] = frozenset()
    schedule: str | None = None
    schedule_mark: str | None = None
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    trial_end: datetime | None = None
    flexible: bool = False
    collection_paused: bool = False
    collection_resumes_at: datetime | None = None
    billed: bool = False
    pending: bool = False
    pending_until: datetime | None = None
    latest_invoice: str | None = None
    latest_invoice_status: str | None = None
    draft_minor: int = 0

    def discounts_at(self, at: datetime, *, used: bool) -> tuple[str, ...] | None:
        """The ids of the discounts that still stand then, `used`: after an invoice; None where all
        do. That of the customer counts where the subscription has none."""
        own = self.discounts or ((self.customer_discount,) if self.customer_discount else ())
        stay = tuple(one.id for one in own if one.lasts(at, used=used))
        return None if len(stay) == len(own) else stay

    @property
    def ends(self) -> bool:
        """Whether an end is planned, by either of the provider's two ways."""
        return self.cancel_at_period_end or self.cancel_at is not None

    @property
    def has_term(self) -> bool:
        """Whether the end comes after the period that runs: nobody has asked for it just now."""
        at, over = self.cancel_at, self.period_end
        later = at is not None and over is not None and at > over
        return later and not self.cancel_at_period_end

    @property
    def discounted(self) -> bool:
        """Whether a discount stands: on the subscription, the customer or an item."""
        of_items = any(item.discounted for item in self.items)
        return bool(self.discounts) or self.customer_discounted or of_items

    @property
    def period_end(self) -> datetime | None:
        """When the first of the current periods ends."""
        ends = [item.period_end for item in self.items if item.period_end]
        return min(ends, default=None)

    @property
    def amount_minor(self) -> int | None:
        """What a period costs before discounts and taxes; None where a price does not say."""
        amounts = [item.amount_minor for item in self.items if not item.price.metered]
        known = [amount for amount in amounts if amount is not None]
        return sum(known) if known and len(known) == len(amounts) else None

    @property
    def months(self) -> int | None:
        """Months from one charge to the next, where all items agree on whole months."""
        found = {item.price.months for item in self.items}
        return found.pop() if len(found) == 1 else None

    def item(self, price: str) -> Item | None:
        """The first item of this price."""
        return next((item for item in self.items if item.price.id == price), None)

    @property
    def coupons(self) -> frozenset[str]:
        """The coupons of the discounts that stand."""
        return frozenset(d.coupon for d in self.discounts if d.coupon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """An invoice as the provider sees it coming: `due_minor` of it is to be paid at `at`.
    `regular_minor` is what of it comes again with every period, discounts and taxes included: not
    what is settled once, nor credit, nor use."""

    due_minor: int
    regular_minor: int
    currency: str
    at: datetime | None = None
