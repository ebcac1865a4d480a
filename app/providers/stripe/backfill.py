"""Subscriptions as they stand, page by page, as notices: how history begins at installation."""

from datetime import datetime

from app.domain.merchants import ProviderAccount
from app.domain.notices import FROM_HISTORY, Notice
from app.ports.payments import SubscriptionPage
from app.providers.stripe.live import notices_of_object
from app.providers.stripe.reading import Json, rows


def page_of(obj: Json, account: ProviderAccount, now: datetime) -> SubscriptionPage:
    """The notices of one list answer, each customer before its subscription."""
    notices: list[Notice] = []
    found = list(rows(obj))
    for row in found:
        event = f"{FROM_HISTORY}{row.get('id')}"
        for kind, part in (("customer", row.get("customer")), ("subscription", row)):
            if isinstance(part, dict):
                notices += notices_of_object(
                    kind, part, account, event=event, at=now, now=now, invoice=None
                )
    last = found[-1].get("id") if found else None
    more = last if obj.get("has_more") is True else None
    return SubscriptionPage(notices=notices, count=len(found), next=more)
