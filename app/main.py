"""The api process: one FastAPI app, built from the rooms and wired at its start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import Lifespan

from app.api import (
    access,
    afterwards,
    attributes,
    cancel_flows,
    cancel_sessions,
    case_commands,
    churn,
    comparisons,
    correspondence,
    customer_keys,
    dunning,
    event_endpoints,
    events,
    exchange_rates,
    exit_feedback,
    finance,
    health,
    invariants,
    leavers,
    mail_reports,
    metrics,
    personal_data,
    policies,
    problems,
    reference,
    specification,
    templates,
)
from app.api.front import Front
from app.api.packing import Packing
from app.api.webhooks import PATH as WEBHOOK_PATH
from app.api.webhooks import WebhookGate, Webhooks
from app.config import Settings
from app.domain.paces import ASKS_A_MINUTE, Pace
from app.mail.mailbox import FolderMailbox
from app.pages.afterwards import after_router
from app.pages.embed import embed_router
from app.pages.forms import forms_router
from app.pages.leaving import leaving_router
from app.pages.links import links_router
from app.pages.mailbox import mailbox_router
from app.pages.operator.router import operator_router
from app.pages.previews import letters_router, previews_router
from app.pages.shop import shop_router
from app.pages.unsubscribe import unsubscribe_router
from app.wiring import build_service, configure_logging

VERSION = "0.1.0"
# What callers with an API key ask for.
BY_KEY = (
    access,
    afterwards,
    attributes,
    cancel_flows,
    customer_keys,
    leavers,
    exchange_rates,
    exit_feedback,
    dunning,
    case_commands,
    events,
    event_endpoints,
    churn,
    finance,
    comparisons,
    policies,
    correspondence,
    templates,
    invariants,
    personal_data,
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app. Connections open when it starts and close, drained, when it stops.

    `settings` come from the environment where none are given.
    """
    known = settings or Settings()
    configure_logging(level=known.log_level, form=known.log_format)
    app = FastAPI(
        title="Holdfast",
        version=VERSION,
        lifespan=_lifespan(known),
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _stand_before(app, known)
    problems.install(app)
    for room in BY_KEY:
        app.include_router(room.router, responses=problems.OF_EVERY_CALLER)
    app.include_router(access.mine, responses=access.OF_EVERY_CUSTOMER)
    app.include_router(cancel_sessions.router)
    app.include_router(cancel_sessions.back)
    app.state.pace = Pace(ASKS_A_MINUTE)
    for room in (mail_reports, health, metrics, reference):
        app.include_router(room.router)
    app.include_router(embed_router())
    specification.install(app, WEBHOOK_PATH)
    return app


def _stand_before(app: FastAPI, settings: Settings) -> None:
    """What every request goes through before a route, the last added first."""
    https = settings.public_url.startswith("https://")
    app.add_middleware(Packing)
    app.add_middleware(Front, body_limit=settings.body_limit, https=https)
    app.add_middleware(WebhookGate)


def _lifespan(settings: Settings) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with build_service(settings) as service:
            app.state.world = service.world
            app.state.figures = service.figures
            app.state.webhooks = Webhooks(
                service.world, service.intake, body_limit=settings.webhook_body_limit
            )
            app.include_router(links_router(service.world, app.state.pace))
            app.include_router(leaving_router(service.world, app.state.pace))
            app.include_router(forms_router(service.world))
            app.include_router(unsubscribe_router(service.world))
            app.include_router(after_router(service.world, app.state.pace))
            app.include_router(previews_router(service.world))
            has_mailbox = settings.mailbox_dir is not None
            app.include_router(operator_router(service.world, mailbox=has_mailbox))
            if settings.mailbox_dir:
                app.include_router(mailbox_router(FolderMailbox(settings.mailbox_dir)))
                app.include_router(letters_router(service.world))
                app.include_router(shop_router(service.world))
            yield

    return lifespan
