"""What an offer may change at a provider, in no provider's words.

A change is a value that is committed before it is asked for; whether it took place is told by a
reading alone (`stands_in`), so that a call without an answer is never a guess.
"""

import types
import typing
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from app.domain.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDiscount:
    """One discount more, beside those of `keep` (ids of discounts): the provider's list replaces
    what stands. `months` is how long it runs; None: on one invoice. `percent` or `amount_minor`.

    `coupon` follows from the terms: the same terms are one coupon of the account. `mark` is written
    together with it, so that a discount for one invoice is known to have been given even when it
    was used up before we looked.
    """

    op: ClassVar = "add_discount"
    coupon: str
    mark: str
    percent: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    months: int | None = None
    keep: tuple[str, ...] = ()

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.mark == self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDiscount:
    """Take a discount away again; others stay."""

    op: ClassVar = "remove_discount"
    coupon: str

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return self.coupon not in standing.coupons


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSchedule:
    """Let the subscription go on by itself: a schedule overwrites or forbids every change. Its
    later phases are lost; `spent`: none was still to come."""

    op: ClassVar = "release_schedule"
    schedule: str
    spent: bool = False

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.schedule != self.schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBackEnd:
    """The planned end is taken back. `flagged`: it was planned for the period's end by the flag,
    which is another parameter than a date."""

    op: ClassVar = "take_back_end"
    flagged: bool

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return not standing.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEnd:
    """The subscription is to end: at this instant, or at the end of its period."""

    op: ClassVar = "plan_end"
    at: datetime | None = None

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An item as it is to be. Always with its quantity: left out, it would be reset to one; None
    where use is metered, which has none."""

    id: str
    price: str
    quantity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeItems:
    """Other prices or quantities, now.

    `proration`: what becomes of the rest of the period: `none`, `create_prorations` (settled on
    the next invoice) or `always_invoice` (now). `dated` is the instant it is computed for, so that
    the charge is what was previewed. `when_unpaid`: `hold` lets the change wait for its payment,
    `refuse` makes nothing of it; None where nothing is charged at once.
    """

    op: ClassVar = "change_items"
    items: tuple[Wanted, ...]
    proration: str = "none"
    dated: datetime | None = None
    when_unpaid: str | None = None

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        there = {item.id: item for item in standing.items}
        return not standing.pending and all(
            wanted.id in there
            and there[wanted.id].price.id == wanted.price
            and wanted.quantity in (None, there[wanted.id].quantity)
            for wanted in self.items
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPending:
    """A change that waits for its payment is given up, with the invoice it waits for."""

    op: ClassVar = "drop_pending"
    invoice: str

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return not standing.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItems:
    """Other prices or quantities from an instant on, at the end of some period: a schedule of two
    phases that lets go of the subscription afterwards.

    Until then everything stays as it is; `off_minor` of `currency` comes off each invoice of that
    time, for at most `months`, by `coupon`. `keep` are discounts that stay throughout.
    """

    op: ClassVar = "plan_items"
    mark: str
    at: datetime
    items: tuple[Wanted, ...]
    keep: tuple[str, ...] = ()
    coupon: str | None = None
    off_minor: int | None = None
    currency: str | None = None
    months: int | None = None

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.schedule_mark == self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPlan:
    """What was planned under this mark is given up; nothing of it has begun."""

    op: ClassVar = "drop_plan"
    mark: str

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.schedule_mark != self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """No invoices until it is resumed; what is left of the paid period is not given back.

    `collection`: the older way, for subscriptions that cannot really be paused: invoices are made
    and voided until `until`, when the provider ends it by itself. `before`: the paid period runs
    until then, and begun afterwards it would rest in a month that was charged.
    """

    op: ClassVar = "pause"
    until: datetime
    collection: bool = False
    before: datetime | None = None

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.collection_paused if self.collection else standing.status == "paused"

    def is_other(self, standing: Standing) -> bool:
        """Whether collection is paused for longer by now than this change asked for: the merchant
        may have granted more. The provider would have ended ours by itself."""
        paused = self.collection and standing.collection_paused
        until = standing.collection_resumes_at
        return paused and (until is None or until > self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """A pause is over. `anew`: a new period begins and is billed; else the old one goes on."""

    op: ClassVar = "resume"
    anew: bool = True
    collection: bool = False

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.status != "paused" and not standing.collection_paused


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTrialEnd:
    """The trial ends at this instant; nothing is settled for it. `before`: it runs until then, and
    afterwards there is none to be moved: a month that was paid for would become one, and be
    charged again."""

    op: ClassVar = "move_trial_end"
    at: datetime
    before: datetime | None = None

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return standing.trial_end == self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveCredit:
    """`amount_minor` on the customer's balance, for the next invoice; negative takes it back."""

    op: ClassVar = "give_credit"
    mark: str
    amount_minor: int
    currency: str

    def stands_in(self, standing: Standing) -> bool:
        """Whether it took place."""
        return self.mark in standing.credits


Change = (
    AddDiscount
    | RemoveDiscount
    | ReleaseSchedule
    | TakeBackEnd
    | PlanEnd
    | ChangeItems
    | DropPending
    | PlanItems
    | DropPlan
    | Pause
    | Resume
    | MoveTrialEnd
    | GiveCredit
)
CHANGES: dict[str, type[Any]] = {kind.op: kind for kind in typing.get_args(Change)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One provider call of an offer, and what takes it back; None where nothing can."""

    change: Change
    undo: Change | None = None


def waits_in(change: Change, standing: Standing) -> bool:
    """Whether the change waits for its payment."""
    return isinstance(change, ChangeItems) and standing.pending


def is_too_late(change: Change, now: datetime) -> bool:
    """Whether the day is over from which on, or until which, it was to hold."""
    if isinstance(change, MoveTrialEnd | Pause):
        return change.before is not None and change.before <= now
    return isinstance(change, PlanItems) and change.at <= now


def written(change: Change) -> dict[str, Any]:
    """A change as JSON has it."""
    return {"op": change.op, **{name: _plain(value) for name, value in asdict(change).items()}}


def read_change(document: dict[str, Any]) -> Change:
    """The change of a stored document. Raises `KeyError` for one this release does not know."""
    kind = CHANGES[document["op"]]
    hints = typing.get_type_hints(kind)
    found = {f.name: _read(hints[f.name], document.get(f.name)) for f in fields(kind)}
    change: Change = kind(**found)
    return change


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _read(hint: Any, value: Any) -> Any:
    """A value as its annotation has it: tuples from lists, instants from text."""
    if typing.get_origin(hint) is types.UnionType:
        (hint,) = [part for part in typing.get_args(hint) if part is not types.NoneType]
    if value is None:
        return None
    if hint is datetime:
        return datetime.fromisoformat(value)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_read(inner, one) for one in value)
    if hasattr(hint, "__dataclass_fields__"):
        inner_hints = typing.get_type_hints(hint)
        return hint(**{name: _read(inner_hints[name], part) for name, part in value.items()})
    return value
