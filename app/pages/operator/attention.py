"""What goes on only once a person looked at it: alerts, paused accounts, parked things."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.alerts import ALERTS, STANDING, AlertKind
from app.domain.dunning import IllegalMove
from app.domain.merchants import ProviderAccount, Scope
from app.domain.operations import Alert
from app.pages.operator import words
from app.pages.operator.cases import customer_of
from app.pages.operator.desk import NOT_FOUND, Desk, Refused, Visit
from app.pages.operator.telling import Teller
from app.services import alarms, overviews
from app.services.alarms import UnknownAlert

ANY_ADVICE = "Read it, put its cause right, and look again."


def attention_router(desk: Desk) -> APIRouter:
    """`/operator/attention`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/attention")
    async def attention(request: Request) -> Response:
        return await desk.show(request, Scope.OPERATIONS_READ, show_waiting)

    @router.post("/attention/{alert}/put-away")
    async def put_away(request: Request, alert: str) -> Response:
        return await desk.do(request, Scope.CASES_WRITE, lambda v: _put_away(v, alert))

    return router


async def _put_away(visit: Visit, alert_id: str) -> Response:
    about = (visit.world, visit.merchant_id, alert_id)
    try:
        await alarms.put_away(*about, seen=visit.form.get("seen", ""), actor=visit.caller.key_id)
    except UnknownAlert as unknown:
        raise NOT_FOUND from unknown
    except IllegalMove as why:
        raise Refused(409, "Nothing was changed", f"The alert stays: {why}.") from why
    return visit.go("attention")


async def show_waiting(visit: Visit) -> Response:
    """Everything that waits, the most urgent kind first."""
    found = await overviews.waiting(visit.world, visit.merchant_id)
    teller = visit.teller(found.merchant)
    sees_cases = visit.may(Scope.CASES_READ)
    return await visit.page(
        "attention",
        here="attention",
        merchant=found.merchant,
        alerts=[_alert(alert, teller) for alert in found.alerts],
        paused=[_paused(account, teller) for account in found.paused],
        cases=[teller.line(case, customer_of(found, case)) for case in found.cases],
        sees_cases=sees_cases,
        may=visit.may(Scope.CASES_WRITE),
        actions=[
            {
                "what": words.plain(action.kind),
                "at": teller.moment(action.due_at),
                "why": teller.text(action.note or ""),
                "case": action.case_id if sees_cases else None,
            }
            for action in found.actions
        ],
        events=[
            {
                "id": event.event_id,
                "type": event.type,
                "state": words.plain(event.state),
                "at": teller.moment(event.received_at),
                "why": event.reason or "",
            }
            for event in found.events
        ],
    )


def _alert(alert: Alert, teller: Teller) -> dict[str, Any]:
    return {
        "id": alert.alert_id,
        "seen": alert.at.isoformat(),
        "settles": alert.kind in STANDING,
        "kind": words.plain(alert.kind),
        "text": teller.text(alert.text),
        "subject": alert.subject,
        "case": alert.subject if alert.subject.startswith("case_") else None,
        "at": teller.moment(alert.at),
        "advice": _advice(alert.kind),
    }


def _advice(kind: str) -> str:
    """What is done about it; of a kind that a later version raised, what is always right."""
    known = kind in AlertKind.__members__.values()
    return ALERTS[AlertKind(kind)].advice.replace("`", "") if known else ANY_ADVICE


def _paused(account: ProviderAccount, teller: Teller) -> dict[str, Any]:
    return {
        "name": account.provider_ref or account.account_id,
        "id": account.account_id,
        "at": teller.moment(account.paused_at),
        "why": account.paused_reason or "",
    }
