"""Leaving: `/v1/cancel-sessions`, and taking it back before the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Header, Path, Query, Request
from starlette.responses import Response

from app.api.auth import SessionsWriter
from app.api.cancel_schemas import (
    AnswerIn,
    ConfirmIn,
    OpenedOut,
    OpenIn,
    OutcomeIn,
    OutcomeOut,
    PreviewOut,
    PreviewsOut,
    ReceiptOut,
    SessionOut,
    StepIn,
    UndoneOut,
    WithdrawIn,
    tongue_of,
)
from app.api.dependencies import WorldDep
from app.api.parameters import ProviderId
from app.api.problems import OF_EVERY_BODY, OF_EVERY_CALLER, Problem, invalid, problems
from app.api.session_auth import OpenerDep, SessionDep, UndoerDep
from app.domain import redemptions
from app.domain.cancellations import Choice
from app.domain.dunning import IllegalMove
from app.domain.ids import SHAPE
from app.domain.languages import language_for
from app.domain.sessions import CancelSession, SessionState
from app.ports.payments import ProviderRefused
from app.services import (
    accepting,
    agreed,
    cancel_letters,
    cancel_opening,
    cancel_sessions,
    cancel_telling,
    cancelling,
    redeeming,
    withdrawing,
)
from app.services.cancel_opening import Wish
from app.services.exits import UnknownSession
from app.services.redemptions import OfferRefused

router = APIRouter(prefix="/v1/cancel-sessions", tags=["cancelling"])
back = APIRouter(prefix="/v1/subscriptions", tags=["cancelling"])
SessionId = Annotated[
    str,
    Path(
        description="`cxs_…`, or `current` for the session of the token.",
        pattern="^[ -~]+$",
        max_length=255,
    ),
]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,255}$",
        description="Yours, the same when you repeat the request.",
    ),
]
UNTOLD = WithdrawIn()
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin",
}
FORMS = {"text": "text/plain", "html": "text/html"}
OF_EVERY_SESSION = problems(
    "bad-session-token",
    "origin-not-allowed",
    "not-found",
    "conflict",
    "invalid-parameters",
    "too-many-requests",
    "unavailable",
)


@contextmanager
def answered() -> Iterator[None]:
    """Let what a service refuses end as a problem document."""
    try:
        yield
    except (
        UnknownSession,
        cancel_opening.UnknownSubscription,
        cancel_telling.UnknownRequest,
        redeeming.UnknownRedemption,
        cancel_letters.UnknownReceipt,
    ) as unknown:
        raise Problem("not-found", "There is no such thing, or it is somebody else's.") from unknown
    except cancel_opening.SeveralSubscriptions as several:
        raise invalid("body.subscription", "there are several: name one") from several
    except cancel_sessions.NotAsked as wrong:
        raise invalid(f"body.{wrong.where}", wrong.why) from wrong
    except (IllegalMove, redemptions.IllegalMove, OfferRefused) as refused:
        raise Problem("conflict", f"{refused}.") from refused
    except ProviderRefused as refused:
        raise Problem("conflict", "The payment provider refuses this.") from refused


@router.post("", status_code=201, responses=OF_EVERY_SESSION | OF_EVERY_BODY)
async def open_session(wish: OpenerDep, world: WorldDep, asked: OpenIn) -> OpenedOut:
    """Open a session for a subscription, or resume the one that is under way. The answer has the
    first step, and a token for all that follows."""
    with answered():
        view, token = await cancel_opening.open_session(world, _wished(wish, asked))
    return OpenedOut.opened(view, token, world.public_url)


def _wished(wish: Wish, asked: OpenIn) -> Wish:
    """A customer may name one of their own subscriptions and a language, and nothing else."""
    language = language_for(asked.language) if asked.language else None
    if wish.customer_id is not None:
        if wish.subscription_id not in (None, asked.subscription) and asked.subscription:
            raise cancel_opening.UnknownSubscription(asked.subscription)
        named = wish.subscription_id or asked.subscription
        return replace(wish, subscription_id=named, language=language)
    if asked.subscription is None:
        raise invalid("body.subscription", "is missing")
    return replace(
        wish,
        account_id=asked.account,
        subscription_id=asked.subscription,
        language=language,
        place=asked.place,
        attributes=asked.attributes,
    )


@router.get("/{session_id}", responses=OF_EVERY_SESSION)
async def show_session(session_id: SessionId, session: SessionDep, world: WorldDep) -> SessionOut:
    """The session as it stands."""
    with answered():
        return SessionOut.of(await cancel_sessions.show(world, session))


@router.post("/{session_id}/answer", responses=OF_EVERY_SESSION | OF_EVERY_BODY)
async def answer(
    session_id: SessionId, session: SessionDep, world: WorldDep, told: AnswerIn
) -> SessionOut:
    """Answer a step, or skip it with an empty answer, and go on. Repeated it changes nothing."""
    with answered():
        view = await cancel_sessions.answer(world, session, told.step, told.said())
        return SessionOut.of(view)


@router.post(
    "/{session_id}/accept",
    responses=OF_EVERY_SESSION | OF_EVERY_BODY | {202: {"model": SessionOut}},
)
async def accept(
    session_id: SessionId,
    session: SessionDep,
    world: WorldDep,
    response: Response,
    which: StepIn,
    key: Key,
) -> SessionOut:
    """Accept the offer of the step that is shown. 200: it was applied and read back, the session
    is `saved`. 202: it is being applied. There is one outcome, however often this is asked."""
    with answered():
        view = await accepting.accept(world, session, which.step, key=key)
    if view.session.state is SessionState.APPLYING:
        response.status_code = 202
    return SessionOut.of(view)


@router.post("/{session_id}/decline", responses=OF_EVERY_SESSION | OF_EVERY_BODY)
async def decline(
    session_id: SessionId, session: SessionDep, world: WorldDep, which: StepIn
) -> SessionOut:
    """Turn the offer of a step down and go on."""
    with answered():
        return SessionOut.of(await cancel_sessions.decline(world, session, which.step))


@router.get("/{session_id}/preview", responses=OF_EVERY_SESSION)
async def preview(
    session_id: SessionId,
    session: SessionDep,
    world: WorldDep,
    choice: Annotated[Choice | None, Query(description="One end alone.")] = None,
) -> PreviewsOut:
    """What leaving would do now, in money and dates, read live; the default first."""
    with answered():
        seen = await cancelling.outlook(world, session)
        shown = [seen.of(choice)] if choice else list(seen.previews)
    tongue, alone = tongue_of(session, seen.time_zone), len(seen.previews) == 1
    return PreviewsOut(choices=[PreviewOut.of(told, tongue, alone=alone) for told in shown])


@router.post("/{session_id}/confirm", responses=OF_EVERY_SESSION | OF_EVERY_BODY)
async def confirm(
    session_id: SessionId, session: SessionDep, world: WorldDep, word: ConfirmIn, key: Key
) -> ReceiptOut:
    """Cancel. There is one outcome: asked again the same receipt is given. `asked` means that the
    provider has not answered yet; the request stands all the same. With `told` nobody leaves on
    other terms than those they saw: 409, and `preview` tells the new ones."""
    with answered():
        request = await cancelling.confirm(world, session, word.choice, key=key, told=word.told)
    return ReceiptOut.of(request)


@router.get("/{session_id}/withdrawal", responses=OF_EVERY_SESSION)
async def preview_withdrawal(
    session_id: SessionId, session: SessionDep, world: WorldDep
) -> PreviewOut:
    """What withdrawing from the contract would do now, in money, read live. `may` of the session
    says whether there is the right to: in the EU, until the end of the 14th day."""
    with answered():
        told = await withdrawing.look(world, session)
    return PreviewOut.of(told, tongue_of(session, "UTC"), alone=True)


@router.post("/{session_id}/withdrawal", responses=OF_EVERY_SESSION | OF_EVERY_BODY)
async def withdraw(
    session_id: SessionId,
    session: SessionDep,
    world: WorldDep,
    key: Key,
    word: Annotated[WithdrawIn, Body()] = UNTOLD,
) -> ReceiptOut:
    """Withdraw from the contract: it ends now, and what was paid goes back. There is one outcome:
    asked again the same receipt is given. With `told` nobody withdraws for another sum than they
    saw."""
    with answered():
        request = await withdrawing.withdraw(world, session, key=key, told=word.told)
    return ReceiptOut.of(request)


@router.get(
    "/{session_id}/receipt",
    responses=OF_EVERY_SESSION
    | {200: {"content": {form: {"schema": {"type": "string"}} for form in FORMS.values()}}},
    response_class=Response,
)
async def receipt(
    session_id: SessionId,
    session: SessionDep,
    world: WorldDep,
    response: Response,
    form: Annotated[Literal["text", "html"], Query(description="To keep as a file.")] = "text",
) -> Response:
    """The receipt to keep: contract, day and time of the request, end, what need not and what must
    be paid, how to take it back. The same as the letter says."""
    with answered():
        request, written = await cancel_letters.receipt(world, session)
    name = f"{request.request_id}.{'html' if form == 'html' else 'txt'}"
    headers = {
        **{key: value for key, value in response.headers.items() if key != "content-length"},
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    text = written.html if form == "html" else written.text
    return Response(text, media_type=FORMS[form], headers=headers)


@router.post("/{session_id}/close", responses=OF_EVERY_SESSION)
async def close(session_id: SessionId, session: SessionDep, world: WorldDep) -> SessionOut:
    """The customer went away without a word. An outcome that there was stays."""
    with answered():
        return SessionOut.of(await cancel_sessions.close(world, session))


@router.post(
    "/{session_id}/outcome",
    responses=OF_EVERY_CALLER | problems("not-found", "conflict") | OF_EVERY_BODY,
)
async def report_outcome(
    session_id: Annotated[str, Path(description="`cxs_…`", examples=["cxs_0198"])],
    caller: SessionsWriter,
    world: WorldDep,
    told: OutcomeIn,
) -> OutcomeOut:
    """Report from your backend what came of an accepted `contact`, `redirect` or `custom` offer,
    within a week; after that nothing came of it. The same report again changes nothing."""
    if not SHAPE.fullmatch(session_id):
        raise Problem("not-found", "There is no such session.")
    with answered():
        done = await redeeming.report(
            world, caller.merchant_id, session_id, kept=told.kept, actor=caller.key_id
        )
    return OutcomeOut.of(done)


@back.post(
    "/{subscription}/uncancel",
    responses=OF_EVERY_SESSION | problems("unauthenticated", "forbidden"),
)
async def uncancel(
    subscription: Annotated[ProviderId, Path(description="The subscription at the provider.")],
    who: UndoerDep,
    world: WorldDep,
    account: Annotated[
        ProviderId | None,
        Query(description="`acc_…`, from a backend, where several accounts know the id."),
    ] = None,
) -> UndoneOut:
    """Take a cancellation back while access runs. Repeated it does nothing more."""
    with answered():
        if isinstance(who, CancelSession):
            if who.subscription_id != subscription:
                raise UnknownSession(subscription)
            account, actor = who.account_id, "customer"
        else:
            actor = who.key_id
        done = await cancel_telling.uncancel(
            world, who.merchant_id, account, subscription, actor=actor
        )
        again = await agreed.is_planned_again(world, done)
    return UndoneOut.undone(done, plans_again=again)


@router.options("", include_in_schema=False)
@router.options("/{rest:path}", include_in_schema=False)
@back.options("/{subscription}/uncancel", include_in_schema=False)
async def preflight(request: Request) -> Response:
    """What a browser asks first, without the token: see `api/access.py`."""
    origin = request.headers.get("origin", "")
    allowed = {"Access-Control-Allow-Origin": origin} if origin else {}
    return Response(status_code=204, headers=PREFLIGHT | allowed)
