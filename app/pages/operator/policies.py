"""Policies: what is in force, every version as it reads, and what it would do."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.declines import Decline, DeclineKind
from app.domain.documents import Section
from app.domain.merchants import CollectionMode, Merchant, Scope
from app.domain.policies import DEPLOYMENT, PolicyState, PolicyVersion
from app.domain.policy_documents import policy_of
from app.domain.policy_fields import DOCUMENT
from app.domain.preview import Line
from app.domain.preview_cast import Assumed
from app.pages.operator import words
from app.pages.operator.desk import NOT_FOUND, Desk, Refused, Visit
from app.pages.operator.telling import Teller
from app.services import overviews, policies, policy_moves, policy_previews

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
AMOUNT = re.compile(r"[1-9]\d{0,11}")
CURRENCY = re.compile(r"[a-z]{3}")
BRANDS = ("visa", "mastercard", "amex", "discover")
INTERVALS = ("month", "year", "week", "day")
KINDS = {
    "retry": ("Attempt", "going"),
    "message": ("Letter", "ask"),
    "dropped": ("Letter not sent", "over"),
    "access": ("Access", "look"),
    "end": ("End", "lost"),
}
# By key of `when` in a message row: how a person says it.
WHEN = {
    "day": "day {}",
    "on_failure": "at the latest at failure {}",
    "before_end": "{} days before the end",
    "on": "when {}",
    "class": "{} refusals",
}
# Commands of a version by the state it is in, as the API has them.
CHANGES = {
    PolicyState.DRAFT: ("publish", "Publish", "New cases get this version from now on."),
    PolicyState.RETIRED: ("rollback", "Bring back", "New cases get this version again."),
}
RUN = {"publish": policies.publish, "rollback": policies.roll_back}


def policies_router(desk: Desk) -> APIRouter:
    """`/operator/policies` and everything below it."""
    router = APIRouter(include_in_schema=False, prefix="/policies")

    @router.get("")
    async def listed(request: Request) -> Response:
        return await desk.show(request, Scope.POLICIES_READ, list_policies)

    @router.get("/{name}/{version}")
    async def one(request: Request, name: str, version: str) -> Response:
        return await desk.show(
            request, Scope.POLICIES_READ, lambda v: show_version(v, name, _number(version))
        )

    @router.post("/{name}/{version}/{command}")
    async def change(request: Request, name: str, version: str, command: str) -> Response:
        return await desk.do(
            request,
            Scope.POLICIES_WRITE,
            lambda v: change_version(v, name, _number(version), command),
        )

    return router


def _number(given: str) -> int:
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 8 else 0


async def list_policies(visit: Visit) -> Response:
    """All policies with what is in force."""
    merchant = await overviews.merchant_of(visit.world, visit.merchant_id)
    found = await policies.list_policies(visit.world, visit.merchant_id)
    teller = visit.teller(merchant)
    return await visit.page(
        "policies",
        here="policies",
        merchant=merchant,
        rows=[
            {
                "name": file.name,
                "in_force": file.in_force,
                "newest": file.newest.version,
                "draft": file.newest.state is PolicyState.DRAFT,
                "at": teller.moment(file.newest.published_at or file.newest.made_at),
                "for": _for(file.newest.document),
            }
            for file in found
        ],
    )


def _for(document: Mapping[str, Any]) -> str:
    """Which failures a policy is for, in words."""
    given = document.get("applies_to") or {}
    said = [
        f"{words.plain(name).lower()} {_plain(value)}"
        for name, value in given.items()
        if value not in ("any", None, {}) and _plain(value)
    ]
    return "; ".join(said) or "every failure that no other policy is for"


async def show_version(
    visit: Visit, name: str, number: int, *, refused: str = "", status: int = 200
) -> Response:
    """One version: what it says, what it would do to a failure, whom it would touch."""
    file, row = await _found(visit, name, number)
    merchant = await overviews.merchant_of(visit.world, visit.merchant_id)
    teller = visit.teller(merchant)
    asked = visit.request.query_params
    faults: dict[str, str] = {}
    failure = _assumed(asked, merchant, visit.world.clock.now(), faults)
    policy = policy_of(row)
    mode = CollectionMode.OBSERVE if asked.get("mode") == "observe" else CollectionMode.DRIVE
    seen = await policy_previews.preview(visit.world, visit.merchant_id, policy, failure, mode=mode)
    touched = await policy_moves.touched(visit.world, visit.merchant_id, policy)
    return await visit.page(
        "policy",
        here="policies",
        status=status,
        merchant=merchant,
        name=name,
        row=_version(row, teller),
        versions=[_version(one, teller) for one in file.versions],
        change=CHANGES.get(row.state) if visit.may(Scope.POLICIES_WRITE) else None,
        sections=list(_sections(row.document)),
        letters=[_letter(one) for one in row.document.get("messages", [])],
        refused=refused,
        done=asked.get("done", "") in RUN,
        asked=_typed(failure, mode),
        faults=faults,
        choices=_choices(),
        applies=seen.applies,
        timeline=[_line(line, failure.at, teller) for line in seen.timeline],
        touched=[teller.line(case, None) for case in touched.cases],
        touches_more=touched.next is not None,
    )


async def _found(visit: Visit, name: str, number: int) -> tuple[policies.PolicyFile, PolicyVersion]:
    if not NAME.fullmatch(name):
        raise NOT_FOUND
    try:
        file = await policies.show_policy(visit.world, visit.merchant_id, name)
        return file, file.version(number)
    except policies.UnknownPolicy as unknown:
        raise NOT_FOUND from unknown


async def change_version(visit: Visit, name: str, number: int, command: str) -> Response:
    """Publish a draft, or bring a retired version back."""
    if command not in RUN or not NAME.fullmatch(name):
        raise NOT_FOUND
    told: dict[str, Any] = {"actor": visit.caller.key_id}
    try:
        await RUN[command](visit.world, visit.merchant_id, name, number, **told)
    except policies.UnknownPolicy as unknown:
        raise NOT_FOUND from unknown
    except policies.PolicyRefused as why:
        raise Refused(409, "Nothing was changed", f"{why}.") from why
    return visit.go(f"policies/{name}/{number}?done={command}")


def _version(row: PolicyVersion, teller: Teller) -> dict[str, Any]:
    by = row.published_by or row.made_by
    return {
        "number": row.version,
        "label": row.label,
        "status": words.VERSIONS[row.state],
        "at": teller.moment(row.retired_at or row.published_at or row.made_at),
        "by": "the policy file" if by == DEPLOYMENT else by,
    }


def _sections(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The document in the order of its fields: value and meaning of each, the default where it
    says nothing. Letters have a table of their own."""
    plain: list[dict[str, str]] = []
    for field in DOCUMENT.fields:
        if field.name in {"name", "version", "messages"}:
            continue
        value = document.get(field.name, field.default)
        if isinstance(field.shape, Section):
            rows = [
                _row(inner.name, (value or {}).get(inner.name, inner.default), inner.meaning)
                for inner in field.shape.fields
            ]
            yield {"title": words.plain(field.name), "about": field.meaning, "rows": rows}
        else:
            plain.append(_row(field.name, value, field.meaning))
    yield {"title": "Everything else", "about": "", "rows": plain}


def _letter(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of the message table, its moment in words."""
    when = row.get("when") or {}
    said = [WHEN[name].format(when[name]) for name in WHEN if when.get(name) is not None]
    template = str(row.get("template", "")).replace("_", " ")
    return {
        "step": words.plain(str(row.get("step", ""))),
        "template": template,
        "when": ", ".join(s for s in said if s),
    }


def _row(name: str, value: Any, meaning: str) -> dict[str, str]:
    unbound = isinstance(value, Mapping) and not any(value.values())
    shown = "any" if name == "amount_minor" and unbound else _plain(value)
    return {
        "name": words.plain(name),
        "value": shown or "none",
        "meaning": meaning.replace("`", ""),
    }


def _plain(value: Any) -> str:
    """A value of a document in words."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        parts = [f"{name} {_plain(one)}" for name, one in value.items() if one not in (None, {})]
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return str(value).replace("_", " ") if isinstance(value, str) else str(value)


def _assumed(
    asked: Mapping[str, str], merchant: Merchant, now: datetime, faults: dict[str, str]
) -> Assumed:
    """The failure of the form; where it is wrong the usual one, and the page says so."""
    kind, currency = asked.get("decline", ""), asked.get("currency", "").lower()
    amount, brand = asked.get("amount", ""), asked.get("brand", "")
    if amount and not AMOUNT.fullmatch(amount):
        faults["amount"] = "A whole number of minor units, such as 2900 for 29.00."
    if currency and not CURRENCY.fullmatch(currency):
        faults["currency"] = "Three letters, such as eur."
    interval = asked.get("interval", "")
    return Assumed(
        at=now,
        decline=Decline(
            kind=DeclineKind(kind) if kind in list(DeclineKind) else DeclineKind.INSUFFICIENT_FUNDS,
            brand=brand if brand in BRANDS else None,
        ),
        amount_minor=int(amount) if AMOUNT.fullmatch(amount) else 3000,
        currency=currency if CURRENCY.fullmatch(currency) else "usd",
        interval=interval if interval in INTERVALS else "month",
        time_zone=merchant.time_zone,
    )


def _typed(failure: Assumed, mode: CollectionMode) -> dict[str, str]:
    return {
        "decline": failure.decline.kind.value,
        "brand": failure.decline.brand or "",
        "amount": str(failure.amount_minor),
        "currency": failure.currency,
        "interval": failure.interval or "month",
        "mode": mode.value,
    }


def _choices() -> dict[str, list[tuple[str, str]]]:
    return {
        "decline": [(kind.value, word) for kind, word in words.DECLINES.items()],
        "brand": [("", "Any network"), *((brand, words.plain(brand)) for brand in BRANDS)],
        "interval": [(one, f"Each {one}") for one in INTERVALS],
        "mode": [("drive", "We retry"), ("observe", "The provider retries")],
    }


def _line(line: Line, began: datetime, teller: Teller) -> dict[str, Any]:
    word, tone = KINDS.get(line.kind, (words.plain(line.kind), "over"))
    numbered = f"number {line.what}" if line.kind == "retry" else words.plain(line.what).lower()
    return {
        "at": teller.moment(line.at),
        "day": (line.at - began).days,
        "kind": word,
        "tone": tone,
        "what": numbered,
        "why": teller.text(line.why),
    }
