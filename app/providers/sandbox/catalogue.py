"""What is sold and for how much: products, prices, legacy plans, coupons, promotion codes."""

from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, invalid, missing_parameter, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    currency,
    flag,
    instant,
    labels,
    merged_labels,
    number,
    table,
    text,
    whole,
)
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Handler, Route
from app.providers.sandbox.shapes import plan_of

KIND_IDS = {"product": "prod", "price": "price", "coupon": "", "promotion_code": "promo"}


def _new(core: Core, kind: str, given: Thing, fields: Thing) -> Thing:
    ident = given.get("id") or core.new_id(KIND_IDS[kind], str(given.get("name") or ""))
    if core.get(ident):
        raise refused(f"{kind} already exists.", code="resource_already_exists", param="id")
    made = core.add(
        {
            "id": ident.lstrip("_"),
            "object": kind,
            "created": core.now,
            "metadata": given.get("metadata") or {},
            **fields,
        }
    )
    core.emit(f"{kind}.created", made)
    return made


def _create_product(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    fields = {
        "active": given.get("active", True),
        "attributes": [],
        "default_price": None,
        "description": given.get("description"),
        "images": [],
        "marketing_features": [],
        "name": given["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": core.now,
        "url": None,
    }
    product = _new(core, "product", given, fields)
    if given.get("default_price_data"):
        price = new_price(core, {**given["default_price_data"], "product": product["id"]})
        core.change(product, default_price=price["id"])
    return product


def new_price(core: Core, given: Thing) -> Thing:
    """A price; recurring when it says how often.

    Raises:
        ApiError: the product is unknown, or no amount was given.
    """
    product = given.get("product")
    if given.get("product_data"):
        product = _create_product(core, given["product_data"], ())["id"]
    core.find("product", product, "product")
    amount = given.get("unit_amount")
    if amount is None and given.get("unit_amount_decimal"):
        amount = round(float(given["unit_amount_decimal"]))
    if amount is None:
        raise missing_parameter("unit_amount")
    recurring = given.get("recurring")
    fields = {
        "active": True,
        "billing_scheme": "per_unit",
        "currency": given["currency"],
        "custom_unit_amount": None,
        "lookup_key": given.get("lookup_key"),
        "nickname": given.get("nickname"),
        "product": product,
        "recurring": _recurring(recurring) if recurring else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    return _new(core, "price", {**given, "name": product}, fields)


def _recurring(given: Thing) -> Thing:
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": None,
        "trial_period_days": given.get("trial_period_days"),
        "usage_type": "licensed",
    }


def _create_price(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return new_price(core, given)


def _create_plan(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    every = {"interval": given["interval"], "interval_count": given.get("interval_count", 1)}
    product = given["product"]
    source = {"product_data": product} if isinstance(product, dict) else {"product": product}
    price = new_price(
        core,
        {"currency": given["currency"], "unit_amount": given["amount"], "recurring": every}
        | {"metadata": given.get("metadata")}
        | source,
    )
    return plan_of(price) or price


def _update_plan(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    price = _update("price")(core, given, ids)
    return plan_of(price) or price


def _delete_plan(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    core.change(core.find("price", ids[0]), active=False)
    return {"id": ids[0], "object": "plan", "deleted": True}


def _create_coupon(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    if given.get("percent_off") is None and given.get("amount_off") is None:
        raise missing_parameter("percent_off")
    if given.get("amount_off") is not None and not given.get("currency"):
        raise missing_parameter("currency")
    duration = given.get("duration", "once")
    if duration == "repeating" and not given.get("duration_in_months"):
        raise invalid("duration_in_months is required.", param="duration_in_months")
    names = ("amount_off", "currency", "duration_in_months", "max_redemptions", "name")
    fields = {name: given.get(name) for name in (*names, "percent_off", "redeem_by")}
    counts = {"duration": duration, "times_redeemed": 0, "valid": True}
    return _new(core, "coupon", given, {**fields, **counts})


def _create_promotion(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    promotion = given.get("promotion") or {"type": "coupon", "coupon": given.get("coupon")}
    core.find("coupon", promotion["coupon"], "coupon")
    fields = {
        "active": True,
        "code": given.get("code") or core.new_id("X")[2:10].upper(),
        "customer": given.get("customer"),
        "expires_at": given.get("expires_at"),
        "max_redemptions": given.get("max_redemptions"),
        "promotion": promotion,
        "restrictions": {"first_time_transaction": False, "minimum_amount": None},
        "times_redeemed": 0,
    }
    return _new(core, "promotion_code", given, fields)


def _retrieve(kind: str) -> Handler:
    def retrieve(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
        return core.find(kind, ids[0])

    return retrieve


def _list(kind: str, url: str, *filters: str) -> Handler:
    def listing(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
        found = [
            thing
            for thing in core.all(kind)
            if all(given.get(name) in (None, thing.get(name)) for name in filters)
        ]
        return page(core, found, given, url)

    return listing


def _update(kind: str) -> Handler:
    def update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
        thing = core.find(kind, ids[0])
        fields = dict(given)
        if "metadata" in given:
            fields["metadata"] = merged_labels(thing["metadata"], given["metadata"])
        former = core.change(thing, **fields)
        if former:
            core.emit(f"{kind}.updated", thing, former)
        return thing

    return update


def _delete(kind: str) -> Handler:
    def delete(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
        thing = core.find(kind, ids[0])
        core.emit(f"{kind}.deleted", thing)
        core.records.remove(thing)
        return {"id": thing["id"], "object": kind, "deleted": True}

    return delete


RECURRING = table(
    ("interval",),
    interval=choice("day", "week", "month", "year"),
    interval_count=whole,
    trial_period_days=whole,
    usage_type=text,
    meter=text,
)
PRICE = {
    "currency": currency,
    "unit_amount": whole,
    "unit_amount_decimal": text,
    "recurring": RECURRING,
    "metadata": labels,
    "nickname": text,
    "lookup_key": text,
    "tax_behavior": text,
}
PRODUCT = {
    "id": text,
    "name": text,
    "description": clearable(text),
    "active": flag,
    "metadata": labels,
    "default_price_data": table(("currency",), **PRICE),
}
COUPON = {
    "id": text,
    "name": text,
    "percent_off": number,
    "amount_off": whole,
    "currency": currency,
    "duration": choice("once", "repeating", "forever"),
    "duration_in_months": whole,
    "max_redemptions": whole,
    "redeem_by": instant,
    "metadata": labels,
    "applies_to": anything,
}
LABELLED = {"metadata": clearable(labels), "active": flag}

ROUTES = (
    Route("POST", "/v1/products", _create_product, PRODUCT, needs=("name",)),
    Route("GET", "/v1/products", _list("product", "/v1/products"), {**PAGING, "active": flag}),
    Route("GET", "/v1/products/{id}", _retrieve("product")),
    Route(
        "POST",
        "/v1/products/{id}",
        _update("product"),
        {**LABELLED, "name": text, "description": clearable(text), "default_price": text},
    ),
    Route("DELETE", "/v1/products/{id}", _delete("product")),
    Route(
        "POST",
        "/v1/prices",
        _create_price,
        {**PRICE, "product": text, "product_data": table(("name",), **PRODUCT)},
        needs=("currency",),
    ),
    Route(
        "GET",
        "/v1/prices",
        _list("price", "/v1/prices", "product", "currency", "active"),
        {**PAGING, "product": text, "currency": text, "active": flag, "lookup_keys": anything},
    ),
    Route("GET", "/v1/prices/{id}", _retrieve("price")),
    Route("POST", "/v1/prices/{id}", _update("price"), {**LABELLED, "nickname": clearable(text)}),
    Route(
        "POST",
        "/v1/plans",
        _create_plan,
        {"currency": currency, "interval": text, "interval_count": whole, "amount": whole}
        | {"product": anything, "metadata": labels},
        needs=("currency", "interval", "product"),
    ),
    Route("POST", "/v1/plans/{id}", _update_plan, LABELLED),
    Route("DELETE", "/v1/plans/{id}", _delete_plan),
    Route("POST", "/v1/coupons", _create_coupon, COUPON),
    Route("GET", "/v1/coupons", _list("coupon", "/v1/coupons"), PAGING),
    Route("GET", "/v1/coupons/{id}", _retrieve("coupon")),
    Route(
        "POST", "/v1/coupons/{id}", _update("coupon"), {"metadata": clearable(labels), "name": text}
    ),
    Route("DELETE", "/v1/coupons/{id}", _delete("coupon")),
    Route(
        "POST",
        "/v1/promotion_codes",
        _create_promotion,
        {"coupon": text, "promotion": table(type=text, coupon=text), "code": text}
        | {"customer": text, "expires_at": instant, "max_redemptions": whole, "metadata": labels},
    ),
    Route(
        "GET",
        "/v1/promotion_codes",
        _list("promotion_code", "/v1/promotion_codes", "code"),
        {**PAGING, "code": text},
    ),
    Route("GET", "/v1/promotion_codes/{id}", _retrieve("promotion_code")),
    Route("POST", "/v1/promotion_codes/{id}", _update("promotion_code"), LABELLED),
)
