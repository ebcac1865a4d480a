"""`POST /webhooks/stripe/{provider_account}`: verified, stored, committed, then answered.

Raw ASGI in front of the router, because every microsecond here is taken from the provider's
events: no request object, no validation layer, no parsing beyond what finds id and type. The
router with its layers would cost a third again of the processor time of one event.
"""

import re

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.bodies import ClientGone, header, read_body
from app.api.metrics import WEBHOOKS
from app.api.problems import Problem, answer, request_id, unavailable
from app.api.webhook_accounts import Endpoint, WebhookAccounts
from app.domain.alerts import AlertKind
from app.domain.merchants import ProviderAccount
from app.domain.operations import InboxEvent, InboxState, share_of
from app.ports.secrets import SecretUnreadable
from app.ports.store import Conflict, Full, IntakeWriter, RowRefused, StoreUnavailable
from app.ports.webhooks import BadEvent, BadSignature, EventHead
from app.ports.world import World
from app.services import merchants
from app.services.intake import mismatch_of

log = structlog.stdlib.get_logger(__name__)

PREFIX = "/webhooks/stripe/"
PATH = PREFIX + "{provider_account}"
ACCOUNT_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
DONE_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", b"17"),
        (b"x-content-type-options", b"nosniff"),
    ],
}
DONE_BODY = {"type": "http.response.body", "body": b'{"received":true}'}


class Webhooks:
    """The intake of one api process. Safe to hear the same event any number of times."""

    def __init__(self, world: World, writer: IntakeWriter, *, body_limit: int) -> None:
        self._world = world
        self._writer = writer
        self._limit = body_limit
        self._accounts = WebhookAccounts(world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one webhook: 200 only after its event is durable."""
        try:
            outcome = await self._take(scope, receive)
        except ClientGone:
            WEBHOOKS.labels("client-gone").inc()
            return
        except Problem as problem:
            WEBHOOKS.labels(problem.kind.name).inc()
            log.info("webhook refused", reason=problem.kind.name, request_id=request_id(scope))
            await answer(problem, scope)(scope, receive, send)
            return
        WEBHOOKS.labels(outcome).inc()
        await send(DONE_START)
        await send(DONE_BODY)

    async def _take(self, scope: Scope, receive: Receive) -> str:
        if scope["method"] != "POST":
            raise Problem("method-not-allowed", "Events are posted.", headers={"Allow": "POST"})
        body = await read_body(scope, receive, self._limit)
        account_id = scope["path"].removeprefix(PREFIX)
        try:
            account = await self._sender(account_id, body, header(scope, b"stripe-signature"))
            event = self._event(account, self._world.webhooks.head(body), body)
            if event.state is InboxState.QUARANTINED:
                await self._report(event)
            new = await self._writer.put(event)
        except BadEvent as odd:
            raise Problem("bad-event", "The body is signed, but it is not an event.") from odd
        except RowRefused as refused:
            raise Problem("bad-event", "The event is signed, but cannot be stored.") from refused
        except Full as full:
            raise unavailable("Too many webhooks are waiting.", full.retry_after_s) from full
        except (StoreUnavailable, Conflict) as outage:
            raise unavailable("The event could not be stored.") from outage
        except SecretUnreadable as lost:
            raise unavailable("The webhook secrets cannot be opened.") from lost
        await self._world.wake.now()  # best effort: neither raises nor waits
        return event.state.value if new else "known"

    async def _sender(
        self, account_id: str, body: bytes, signature: bytes | None
    ) -> ProviderAccount:
        """The account that signed this body; secrets that do not fit are read anew once."""
        valid = ACCOUNT_ID.fullmatch(account_id)
        endpoint = await self._accounts.get(account_id) if valid else None
        if endpoint is None:
            raise Problem("not-found", "There is no such provider account.")
        if signature is None:
            raise Problem("bad-signature", "There is not exactly one Stripe-Signature header.")
        if not self._signed(endpoint, body, signature):
            endpoint = await self._accounts.again(account_id) or endpoint
            if not self._signed(endpoint, body, signature):
                raise Problem("bad-signature", "No secret of this account signed this body now.")
        return endpoint.account

    def _signed(self, endpoint: Endpoint, body: bytes, signature: bytes) -> bool:
        now = self._world.clock.now()
        try:
            self._world.webhooks.verify(body, signature, secrets=endpoint.secrets, now=now)
        except BadSignature:
            return False
        return True

    def _event(self, account: ProviderAccount, head: EventHead, body: bytes) -> InboxEvent:
        mismatch, now = mismatch_of(account, head), self._world.clock.now()
        return InboxEvent(
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            event_id=head.id,
            type=head.type,
            body=body.decode(),
            state=InboxState.QUARANTINED if mismatch else InboxState.PENDING,
            reason=mismatch,
            created_at=head.created_at,
            received_at=now,
            handled_at=now if mismatch else None,
            share=share_of(account.account_id, head.customer),
        )

    async def _report(self, event: InboxEvent) -> None:
        """Alert before storing: were it the other way round, a crash between would hide it."""
        log.warning("webhook quarantined", account=event.account_id, reason=event.reason)
        await merchants.alert(
            self._world,
            merchant_id=event.merchant_id,
            kind=AlertKind.WEBHOOK_QUARANTINED,
            subject=f"{event.account_id}: {event.reason}",
            text=f"A signed webhook was set aside: {event.reason}. Look at the endpoint's "
            "configuration at the provider; `holdfast doctor` shows it.",
        )


class WebhookGate:
    """ASGI middleware: hands webhooks to the intake built at the start, the rest to the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await scope["app"].state.webhooks(scope, receive, send)
        else:
            await self._app(scope, receive, send)
