"""Which payment method Stripe would charge next."""

from app.providers.stripe.answers import subscription_shown
from app.providers.stripe.reading import Json, at, ref


def method_shown(obj: Json) -> Json | str | None:
    """The method of an invoice's next charge: expanded, or its id; None where there is none.

    Stripe's order: the invoice's own method, the subscription's, the customer's, and at each of
    them the payment method before the legacy source. A subscription's own default therefore wins
    over a newer one of the customer.
    """
    subscription = subscription_shown(obj)
    places = (
        obj.get("default_payment_method"),
        obj.get("default_source"),
        subscription.get("default_payment_method"),
        subscription.get("default_source"),
        at(obj, "customer", "invoice_settings", "default_payment_method"),
        at(obj, "customer", "default_source"),
    )
    for place in places:
        found = ref(place)
        if found is not None:
            return place if isinstance(place, dict) else found
    return None
