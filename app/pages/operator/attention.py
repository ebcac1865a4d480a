"""What goes on only once a person looked at it: alerts, paused accounts, parked things."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.alerts import ALERTS, AlertKind
from app.domain.merchants import ProviderAccount, Scope
from app.domain.operations import Alert
from app.pages.operator import words
from app.pages.operator.cases import customer_of
from app.pages.operator.desk import Desk, Visit
from app.pages.operator.telling import Teller
from app.services import overviews

ANY_ADVICE = "Read it, put its cause right, and look again."


def attention_router(desk: Desk) -> APIRouter:
    """`/operator/attention`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/attention")
    async def attention(request: Request) -> Response:
        return await desk.show(request, Scope.OPERATIONS_READ, show_waiting)

    return router


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
