"""The two phases of a plan: the one that runs, as it stands, and the one that follows it.

Stripe replaces a schedule's phases as a whole: what is not named again is gone. Left out, the end
of a trial would charge somebody today, and taxes would not be charged any more.
"""

from itertools import chain, repeat
from typing import Any

from app.domain.changes import PlanItems, Wanted
from app.providers.stripe.reading import Json, at, ref, rows, table, text, whole

MONTH = {"interval": "month", "interval_count": 1}


def phases_of(change: PlanItems, begun: Json, discounts: list[dict[str, str]]) -> list[Json]:
    """The phase that has begun until the plan's instant, with these discounts; then the plan's
    items with the discounts that stay. Terms beside items are the same in both."""
    kept = [{"discount": ident} for ident in change.keep]
    terms = {**_terms(begun), "proration_behavior": "none"}
    was = list(rows(begun.get("items")))
    first: Json = {
        "items": [_as_begun(row) for row in was],
        "start_date": whole(begun.get("start_date")),
        "end_date": int(change.at.timestamp()),
        **_trial(begun),
        **terms,
    }
    beside = chain(map(_beside, was), repeat({}))
    then: Json = {
        "items": [
            {**item_of(one), **more} for one, more in zip(change.items, beside, strict=False)
        ],
        "duration": MONTH,
        **terms,
    }
    if discounts:
        first["discounts"], then["discounts"] = discounts, kept or ""
    return [first, then]


def item_of(wanted: Wanted, **more: Any) -> Json:
    """An item as it is to be."""
    counted = {} if wanted.quantity is None else {"quantity": wanted.quantity}
    return {**more, "price": wanted.price, **counted}


def _as_begun(row: Json) -> Json:
    quantity = whole(row.get("quantity"))
    counted = {} if quantity is None else {"quantity": quantity}
    return {"price": ref(row.get("price")), **counted, **_beside(row)}


def _beside(row: Json) -> Json:
    """What an item has beside its price: taxes and discounts of its own."""
    given = [ref(one.get("discount")) for one in rows(row.get("discounts"))]
    discounts = [{"discount": ident} for ident in given if ident]
    return _said(tax_rates=_refs(row.get("tax_rates")), discounts=discounts)


def _trial(begun: Json) -> Json:
    """The end of a trial that lies within the phase."""
    ends, starts = whole(begun.get("trial_end")), whole(begun.get("start_date")) or 0
    return {"trial_end": ends} if ends is not None and ends > starts else {}


def _terms(begun: Json) -> Json:
    """How it is collected, from whom, and with which taxes, as far as the phase says."""
    settings, transfer = table(begun.get("invoice_settings")), table(begun.get("transfer_data"))
    return _said(
        default_tax_rates=_refs(begun.get("default_tax_rates")),
        automatic_tax=_automatic_tax(table(begun.get("automatic_tax"))),
        collection_method=text(begun.get("collection_method"), 40),
        default_payment_method=ref(begun.get("default_payment_method")),
        description=text(begun.get("description")),
        invoice_settings=_said(
            account_tax_ids=_refs(settings.get("account_tax_ids")),
            days_until_due=whole(settings.get("days_until_due")),
        ),
        on_behalf_of=ref(begun.get("on_behalf_of")),
        application_fee_percent=begun.get("application_fee_percent"),
        transfer_data=_said(
            destination=ref(transfer.get("destination")),
            amount_percent=transfer.get("amount_percent"),
        ),
    )


def _automatic_tax(shown: Json) -> Json:
    """Where it is on. Whose it is to pay needs no word where it is the merchant's own."""
    if shown.get("enabled") is not True:
        return {}
    account = ref(at(shown, "liability", "account"))
    liable = {"type": "account", "account": account} if account else None
    return _said(enabled=True, liability=liable)


def _said(**found: Any) -> Json:
    return {name: value for name, value in found.items() if value}


def _refs(value: object) -> list[str]:
    return [found for one in value if (found := ref(one))] if isinstance(value, list) else []
