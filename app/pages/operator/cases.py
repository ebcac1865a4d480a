"""The list of cases, one case with all that is known of it, and its letters."""

import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.dunning import Case
from app.domain.ids import SHAPE
from app.domain.merchants import Scope
from app.domain.messages import Message, Rendered
from app.pages.headers import LETTER, page
from app.pages.operator import words
from app.pages.operator.commands import Command, CommandRefused
from app.pages.operator.desk import BROKEN, NO_STORE, NOT_FOUND, Desk, Refused, Visit
from app.pages.operator.filters import AGES, EVERY, Filters, read_filters, read_place, write_place
from app.pages.operator.sessions import give_ticket, read_ticket
from app.pages.operator.telling import Teller, facts_of, name_of, status_of
from app.ports.world import World
from app.services import dossiers, letter_previews, overviews
from app.services.dossiers import Dossier
from app.services.overviews import CasePage


def cases_router(desk: Desk, commands: Sequence[Command]) -> APIRouter:
    """`/operator/cases` and everything below it. `commands` are the buttons of a case."""
    router = APIRouter(include_in_schema=False, prefix="/cases")
    counter = Counter(commands)

    @router.get("")
    async def listed(request: Request) -> Response:
        return await desk.show(request, Scope.CASES_READ, list_cases)

    @router.get("/{case_id}")
    async def one(request: Request, case_id: str) -> Response:
        return await desk.show(request, Scope.CASES_READ, lambda v: counter.show(v, case_id))

    @router.post("/{case_id}/{name}")
    async def command(request: Request, case_id: str, name: str) -> Response:
        return await desk.do(request, Scope.CASES_WRITE, lambda v: counter.do(v, case_id, name))

    @router.get("/{case_id}/letters/{message_id}")
    async def letter(request: Request, case_id: str, message_id: str) -> Response:
        return await desk.show(
            request, Scope.CASES_READ, lambda v: show_letter(v, case_id, message_id)
        )

    return router


def letters_router(desk: Desk) -> APIRouter:
    """`/operator/letters/{sealed}`: a letter alone, for the frame of its page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/letters/{sealed}")
    async def words_alone(sealed: str) -> Response:
        try:
            return await show_words(desk.world, read_ticket(desk.world, sealed))
        except Refused as refused:
            return desk.refusal(refused, None)
        except NO_STORE:
            return desk.refusal(BROKEN, None)

    return router


async def list_cases(visit: Visit) -> Response:
    """A page of cases. One that is asked for by its own id is opened at once."""
    asked = visit.request.query_params
    if SHAPE.fullmatch(asked.get("find", "").strip()):
        return visit.go(f"cases/{asked['find'].strip()}")
    now = visit.world.clock.now()
    filters = read_filters(asked, now)
    found = await overviews.page_of_cases(
        visit.world, visit.merchant_id, filters.query, after=read_place(asked.get("after", ""))
    )
    teller = visit.teller(found.merchant)
    last = found.cases[-1] if found.more else None
    return await visit.page(
        "cases",
        here="cases",
        merchant=found.merchant,
        rows=[teller.line(case, customer_of(found, case)) for case in found.cases],
        tabs=_tabs(filters, found),
        filters=filters,
        choices=_choices(found),
        first="after" in asked,
        older=filters.link(after=write_place(last.opened_at, last.case_id)) if last else None,
    )


def customer_of(found: Any, case: Case) -> Any:
    """The customer of a case on a page of cases, if known."""
    return found.customers.get((case.account_id, case.customer_id or ""))


def _tabs(filters: Filters, found: CasePage) -> list[dict[str, Any]]:
    every = [(state.value, words.STATES[state][0], found.counts[state]) for state in words.STATES]
    every.append((EVERY, "All", sum(found.counts.values())))
    return [
        {
            "label": label,
            "count": count,
            "link": filters.link(state=value, **({"waits": ""} if value != "active" else {})),
            "here": filters.state == value,
        }
        for value, label, count in every
    ]


def _choices(found: CasePage) -> dict[str, list[tuple[str, str]]]:
    return {
        "waits": [(value.value, word) for value, (word, _) in words.WAITS.items()],
        "decline": [(value.value, word) for value, word in words.DECLINES.items()],
        "age": [(value, word) for value, (word, _, _) in AGES.items()],
        "account": [
            (account.account_id, account.provider_ref or account.account_id)
            for account in found.accounts
        ],
    }


class Counter:
    """One case: shown, and worked with by the commands there are."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = {command.name: command for command in commands}

    async def show(
        self, visit: Visit, case_id: str, *, refused: str = "", status: int = 200
    ) -> Response:
        """The page of a case; `refused` says why a command was not carried out."""
        dossier = await _opened(visit, case_id)
        done = self._commands.get(visit.request.query_params.get("done", ""))
        teller, case = visit.teller(dossier.merchant), dossier.file.case
        return await visit.page(
            "case",
            here="cases",
            status=status,
            merchant=dossier.merchant,
            case=teller.line(case, dossier.customer),
            refused=refused,
            done=done.done if done and not refused else "",
            commands=self._offered(visit, case),
            once=secrets.token_urlsafe(16),
            **_about(dossier, teller),
        )

    def _offered(self, visit: Visit, case: Case) -> list[Command]:
        if not visit.may(Scope.CASES_WRITE):
            return []
        return [command for command in self._commands.values() if command.offered(case)]

    async def do(self, visit: Visit, case_id: str, name: str) -> Response:
        """Carry out a command of the table, then show the case as it is."""
        command = self._commands.get(name)
        if command is None or not SHAPE.fullmatch(case_id):
            raise NOT_FOUND
        try:
            await command.run(visit.world, visit.caller, case_id, visit.form)
        except CommandRefused as refused:
            return await self.show(visit, case_id, refused=f"{refused}.", status=409)
        return visit.go(f"cases/{case_id}?done={name}")


def _about(dossier: Dossier, teller: Teller) -> dict[str, Any]:
    file = dossier.file
    return {
        "facts": facts_of(dossier, teller),
        "paused": dossier.account.paused_reason or "",
        "next": teller.what_next(file.case, file.next_action),
        "timeline": [teller.event(event, file.case) for event in reversed(file.timeline)],
        "attempts": [teller.attempt(attempt) for attempt in reversed(file.attempts)],
        "letters": [teller.letter(message) for message in file.messages],
        "budgets": [teller.budget(budget) for budget in dossier.budgets],
        "links": [_link(dossier, link, teller) for link in dossier.links],
    }


def _link(dossier: Dossier, link: Any, teller: Teller) -> dict[str, Any]:
    """A payment link and what became of it. Its address is not stored, so it is not shown."""
    step = {message.message_id: message.step for message in dossier.file.messages}
    dead = link.revoked_at or (link.expires_at <= teller.now and link.expires_at)
    return {
        "of": words.plain(step.get(link.message_id or "", link.purpose)),
        "made": teller.moment(link.created_at),
        "ends": teller.moment(link.expires_at),
        "dead": bool(dead),
        "steps": [
            (words.FOLLOWED.get(event.kind, words.plain(event.kind)), teller.moment(event.at))
            for event in dossier.followed
            if event.link_id == link.link_id
        ],
    }


async def _opened(visit: Visit, case_id: str) -> Dossier:
    found = None
    if SHAPE.fullmatch(case_id):
        found = await dossiers.open_dossier(visit.world, visit.merchant_id, case_id)
    if found is None:
        raise NOT_FOUND
    return found


async def show_letter(visit: Visit, case_id: str, message_id: str) -> Response:
    """A letter with the facts of now, in a frame without rights, and as plain text."""
    dossier = await _opened(visit, case_id)
    message, body = await _letter(visit, case_id, message_id)
    teller, case = visit.teller(dossier.merchant), dossier.file.case
    return await visit.page(
        "letter",
        here="cases",
        merchant=dossier.merchant,
        case={"id": case_id, "who": name_of(case, dossier.customer), "status": status_of(case)},
        letter=teller.letter(message),
        body=body,
        sealed=give_ticket(visit.world, visit.merchant_id, case_id, message_id),
    )


async def show_words(world: World, named: tuple[str, ...]) -> Response:
    """The letter itself: an answer of its own, for the frame. `named` is what a ticket opens."""
    found = await letter_previews.preview_letter(world, *named) if len(named) == 3 else None
    if found is None or found[1] is None:
        raise NOT_FOUND
    return page(found[1].html, csp=LETTER)


async def _letter(visit: Visit, case_id: str, message_id: str) -> tuple[Message, Rendered | None]:
    found = None
    if SHAPE.fullmatch(case_id) and SHAPE.fullmatch(message_id):
        found = await letter_previews.preview_letter(
            visit.world, visit.merchant_id, case_id, message_id
        )
    if found is None:
        raise NOT_FOUND
    return found
