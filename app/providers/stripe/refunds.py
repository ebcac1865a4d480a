"""Refunds: what was ever given back of a charge, and which of it came back to the merchant.

A charge says in `amount_refunded` what is gone now, a refund only its own amount: both together
cannot be told in any order. The list of a charge's refunds can: it only grows, and each refund
that failed is one of it.
"""

from collections.abc import Sequence

from app.domain.notices import Notice, NoticeKind
from app.providers.stripe.envelope import Event
from app.providers.stripe.reading import Json, currency, first_ref, ref, table, text, whole

TAKEN_BACK = frozenset({"failed", "canceled"})
CHARGE_IN = {"refund": "charge", "payment_intent": "latest_charge"}


def refund_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a refund object, which tells its own amount only: what a charge lost in all
    comes with `charge.refunded`. One that failed or was cancelled is read live."""
    refund = event.object
    return [_notice(event, NoticeKind.READ if _is_taken_back(refund) else kind, refund)]


def failed_notices(event: Event, refunds: Sequence[Json]) -> list[Notice]:
    """A notice of each of these refunds, read live, that failed or was cancelled."""
    return [_notice(event, NoticeKind.REFUND_FAILED, r) for r in refunds if _is_taken_back(r)]


def given_back(refunds: Sequence[Json]) -> int:
    """All that was ever given back, also what came back since."""
    return sum(whole(refund.get("amount")) or 0 for refund in refunds)


def charge_in(kind: str, obj: Json) -> Json:
    """The charge of an object read live, where it is one or shows one."""
    return obj if kind == "charge" else table(obj.get(CHARGE_IN.get(kind, "")))


def _is_taken_back(refund: Json) -> bool:
    return text(refund.get("status")) in TAKEN_BACK


def _notice(event: Event, kind: NoticeKind, refund: Json) -> Notice:
    return event.notice(
        kind,
        object=ref(refund),
        payment=first_ref(refund.get("payment_intent"), refund.get("charge")),
        charge=ref(refund.get("charge")),
        amount_minor=whole(refund.get("amount")),
        currency=currency(refund.get("currency")),
    )
