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
    later phases are lost."""

    op: ClassVar = "release_schedule"
    schedule: str

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


Change = AddDiscount | RemoveDiscount | ReleaseSchedule | TakeBackEnd | PlanEnd
CHANGES: dict[str, type[Any]] = {kind.op: kind for kind in typing.get_args(Change)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One provider call of an offer, and what takes it back; None where nothing can."""

    change: Change
    undo: Change | None = None


def waits_in(change: Change, standing: Standing) -> bool:
    """Whether the change waits for its payment."""
    return False


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
