"""Subscriptions that move, and what the ledgers say of them."""

from dataclasses import replace
from typing import Any

from app.domain.absorb import absorb
from app.domain.churn import ENDS, PLANS, ChurnEntry, ChurnRecord
from app.domain.mirror import Customer, Subscription
from app.domain.mrr import MrrMovement
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book
from tests.domain.builders import a_subscription, notice, on_day, terms

K = NoticeKind
PRICE = 3000


def stands(day: float, status: str = "active", *, name: str = "sub_1", **more: Any) -> Notice:
    """A report of how a subscription stands on a day; unless said otherwise it began on the
    first."""
    facts: dict[str, Any] = {"started_at": on_day(0), "interval": "month"}
    facts |= {"subscription_id": name, "status": status, "seen_at": on_day(day)}
    if status == "canceled":
        facts["ended_at"] = on_day(day)
    kind = more.pop("kind", K.SUBSCRIPTION_CHANGED)
    snapshot = a_subscription(**(facts | more))
    told = notice(kind, on_day(day), snapshot=snapshot, subscription=name, customer="cus_1")
    return replace(told, event=f"evt_{name}_{status}_{day}")


def begins(day: float, **more: Any) -> Notice:
    """A subscription is signed up on a day."""
    began: dict[str, Any] = {"started_at": on_day(day), "kind": K.SUBSCRIPTION_STARTED}
    return stands(day, **(began | more))


def after(*notices: Notice, attributes: tuple[str, ...] = ()) -> Book:
    """What the book says when these were heard, in this order, of a merchant who had named these
    attributes."""
    book = Book()
    book.know(
        [
            Customer(
                merchant_id="mer_1",
                account_id="acc_1",
                customer_id="cus_1",
                country="DE",
                metadata={"segment": "smb"},
            )
        ]
    )
    for one in notices:
        now = terms(one.occurred_at)
        absorb(book, one, replace(now, merchant=replace(now.merchant, attributes=attributes)))
    return book


def moves(book: Book, name: str = "sub_1") -> list[tuple[str, int]]:
    lines = [one for one in book.all(MrrMovement) if one.subscription_id == name]
    return [(str(one.kind), one.delta_minor) for one in lines]


def told(book: Book, name: str = "sub_1") -> list[tuple[str, str, int]]:
    """The churn records of a subscription: entry, kind, MRR."""
    lines = [one for one in book.all(ChurnRecord) if one.subscription_id == name]
    return [(str(one.entry), str(one.kind), one.mrr_minor) for one in lines]


def the_end(book: Book, name: str = "sub_1") -> ChurnRecord:
    """The last line that says that it ended."""
    lines = [one for one in book.all(ChurnRecord) if one.subscription_id == name]
    return [one for one in lines if one.entry is ChurnEntry.CHURNED][-1]


def ends_counted(book: Book, name: str) -> int:
    mine = [one for one in book.all(ChurnRecord) if one.subscription_id == name]
    return sum(one.count for one in mine if one.entry in ENDS)


def plans_counted(book: Book, name: str) -> int:
    """Plans that stand: neither given up nor carried out."""
    mine = [one for one in book.all(ChurnRecord) if one.subscription_id == name]
    carried = {one.about for one in mine if one.entry is ChurnEntry.CHURNED}
    standing = sum(one.count for one in mine if one.entry in PLANS)
    return standing - len([one for one in mine if one.record_id in carried])


def brings(book: Book, name: str) -> int:
    """What the movements of a subscription add up to."""
    return sum(one.delta_minor for one in book.all(MrrMovement) if one.subscription_id == name)


def stays_at(book: Book, name: str = "sub_1") -> dict[tuple[str | None, ...], int]:
    """Where its MRR is: minor units by plan, interval and country."""
    found: dict[tuple[str | None, ...], int] = {}
    for one in book.all(MrrMovement):
        if one.subscription_id == name:
            found[one.place[:3]] = found.get(one.place[:3], 0) + one.delta_minor
    return {place: minor for place, minor in found.items() if minor}


def pays(book: Book, name: str) -> int:
    """By how many its movements change the number of those who pay."""
    lines = [one for one in book.all(MrrMovement) if one.subscription_id == name]
    return sum(one.paying or 0 for one in lines)


def mirrored(book: Book, name: str) -> Subscription | None:
    return book.get(Subscription, "acc_1", name)
