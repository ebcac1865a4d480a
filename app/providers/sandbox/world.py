"""The whole world: answers API calls and plays what comes due, with no HTTP and no waiting."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from app.providers.sandbox import (
    catalogue,
    changes,
    clocks,
    collection,
    credit_notes,
    customers,
    cycles,
    draws,
    intents,
    invoices,
    payment_methods,
    previews,
    reversals,
    schedules,
    sessions,
    subscriptions,
    webhooks,
)
from app.providers.sandbox.core import API_VERSION, Core
from app.providers.sandbox.errors import ApiError, Thing, key_reused
from app.providers.sandbox.params import many, read_fields, text
from app.providers.sandbox.records import HIDDEN, Records
from app.providers.sandbox.render import expansion, rendered
from app.providers.sandbox.routing import Route, Table

Done = TypeVar("Done")

KEY_LIVES = 86_400
"""Seconds an idempotency key keeps its answer: the documented least, 24 hours."""

FAMILIES = (
    customers,
    payment_methods,
    catalogue,
    subscriptions,
    previews,
    invoices,
    credit_notes,
    intents,
    reversals,
    schedules,
    sessions,
    webhooks,
    clocks,
)

Job = Callable[[Core, Thing], None]


def settle(core: Core, intent: Thing) -> None:
    """A direct debit's end, for its invoice and for its checkout session."""
    collection.settle(core, intent)
    sessions.after_settling(core, intent)


JOBS: dict[tuple[str, str], Job] = {
    ("subscription", "cancel"): cycles.cancel,
    ("subscription", "drop_pending"): changes.drop_pending,
    ("subscription", "expire"): cycles.expire,
    ("subscription", "phase"): schedules.turn,
    ("subscription", "renew"): cycles.renew,
    ("subscription", "resume_collection"): cycles.resume_collection,
    ("subscription", "trial_will_end"): cycles.warn_of_trial_end,
    ("subscription", "upcoming"): cycles.tell_upcoming,
    ("invoice", "collect"): collection.collect,
    ("invoice", "finalize"): cycles.finalize,
    ("payment_intent", "settle"): settle,
    ("subscription_schedule", "begin"): schedules.begin,
    ("checkout.session", "expire"): sessions.expire,
}
"""What is done when an action of an object is due."""


class Answer(NamedTuple):
    """What an API call is answered with."""

    status: int
    body: Thing
    headers: dict[str, str]


class World(Core):
    """A Stripe-shaped account.

    Args:
        seed: decides every id and every chance; two worlds of one seed told the same are equal.
        now: Unix seconds at the beginning.
        path: a file to keep everything in; None keeps it in memory. A world opened on an old
            file goes on where it stood, and `seed` and `now` are ignored.
    """

    def __init__(self, seed: int, now: int, path: Path | None = None) -> None:
        super().__init__(seed, now, Records(path))
        self.table = Table(route for family in FAMILIES for route in family.ROUTES)
        self.when_paid.append(changes.after_payment)
        self.when_charged.append(reversals.after_charge)
        self.records.commit()

    def call(
        self,
        method: str,
        path: str,
        params: Thing | None = None,
        *,
        api_version: str = API_VERSION,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Carry out one API call; when it returns, everything is written.

        With an idempotency key the first executed call's answer (a decline and a crash included)
        is given again for 24 hours; the same key for another call is refused.
        """
        number = self.tally("request")
        request_id = draws.make_id("req", self.seed, number)
        self.request = {"id": request_id, "idempotency_key": idempotency_key}
        headers = {"request-id": request_id, "stripe-version": api_version}
        self.version = api_version
        given = dict(params or {})
        with self._whole():
            return self._answer(method, path, given, idempotency_key, headers)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of it or nothing: whatever breaks off half-way is undone."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self.records.rollback()
            self.request = {"id": None, "idempotency_key": None}
            self.records.commit()

    def _answer(
        self, method: str, path: str, given: Thing, key: str | None, headers: dict[str, str]
    ) -> Answer:
        try:
            status, body, replayed = self._run(method, path, given, self.version, key)
        except ApiError as refusal:
            self.records.rollback()
            status, body, replayed = (
                refusal.status,
                self._error(refusal, headers["request-id"]),
                False,
            )
        if replayed:
            headers["idempotent-replayed"] = "true"
        elif key is not None and method == "POST":
            headers["idempotency-key"] = key
        return Answer(status, body, headers)

    def _run(
        self, method: str, path: str, given: Thing, version: str, key: str | None
    ) -> tuple[int, Thing, bool]:
        kept = self._kept_answer(method, path, given, key)
        if kept is not None:
            return kept["status"], kept["answer"], True
        paths = many(text)(given.pop("expand", []), "expand")
        route, ids = self.table.find(method, path)
        read = read_fields(route.accepts, given, needs=route.needs)
        try:
            status, body = 200, self._carry_out(route, read, ids, version, paths)
        except ApiError as refusal:
            if not refusal.executed:
                raise
            if not refusal.keeps:
                self.records.rollback()
            status, body = refusal.status, self._error(refusal, str(self.request["id"]))
        if method == "POST" and key is not None:
            self._keep_answer(method, path, {**given, "expand": paths}, key, status, body)
        return status, body, False

    def _carry_out(
        self, route: Route, read: Thing, ids: tuple[str, ...], version: str, paths: list[str]
    ) -> Thing:
        tree = expansion(paths)
        result = route.handler(self, read, ids)
        if result.get("object") == "list":
            below = tree.get("data")
            shown = [rendered(self, thing, version, below) for thing in result["data"]]
            return {**result, "data": shown}
        return rendered(self, result, version, tree)

    def _error(self, refusal: ApiError, request_id: str) -> Thing:
        address = f"{self.base_url}/_sandbox/requests/{request_id}"
        return {"error": {**refusal.error, "request_log_url": address}}

    def _kept_answer(self, method: str, path: str, given: Thing, key: str | None) -> Thing | None:
        if key is None or method != "POST":
            return None
        kept = self.get(f"answer:{key}")
        if kept is None:
            return None
        if kept["created"] + KEY_LIVES <= self.now:
            self.records.remove(kept)
            return None
        if kept["call"] != fingerprint(method, path, given):
            raise key_reused(
                "Keys for idempotent requests can only be used for the same endpoint and with "
                "the same parameters they were first used with."
            )
        return kept

    def _keep_answer(
        self, method: str, path: str, given: Thing, key: str, status: int, body: Thing
    ) -> None:
        if not given["expand"]:
            del given["expand"]
        self.records.add(
            {
                "id": f"answer:{key}",
                "object": "answer",
                "created": self.now,
                "call": fingerprint(method, path, given),
                "status": status,
                "answer": body,
            }
        )

    def outside(self, do: Callable[[], Done]) -> Done:
        """Let something happen outside the API; nothing of it stays when it is refused."""
        with self._whole():
            try:
                return do()
            except ApiError as refusal:
                if refusal.keeps:
                    self.records.commit()
                raise

    def fail(self, method: str, path: str, params: Thing, key: str | None) -> Answer:
        """A crash at the provider: 500, nothing done, and the key remembers the 500."""
        error = {"type": "api_error", "message": "An error occurred in the sandbox, as asked."}
        request_id = draws.make_id("req", self.seed, self.tally("request"))
        body = {"error": error}
        if key is not None and method == "POST" and self.get(f"answer:{key}") is None:
            paths = many(text)(params.pop("expand", []), "expand")
            self._keep_answer(method, path, {**params, "expand": paths}, key, 500, body)
        self.records.commit()
        return Answer(500, body, {"request-id": request_id})

    def next_event_at(self) -> int | None:
        """When something happens by itself next: an action due, or a webhook sent again."""
        due = self.records.next_due()
        times = [d["at"] for d in self.all("delivery") if d["at"] > self.now]
        if due is not None:
            times.append(due[0])
        return min(times, default=None)

    def advance_to(self, instant: int) -> list[Thing]:
        """Play everything that is due up to and at an instant, in (time, object id) order.

        Returns the events that arose. Webhooks are queued, not sent.
        """
        before = len(self.records.kinds.get("event", {}))
        self.play_until(instant)
        self.records.commit()
        told = self.records.kinds.get("event", {})
        newest = list(islice(reversed(told), max(len(told) - before, 0)))
        return [self.records.things[ident] for ident in reversed(newest)]

    def play_instant(self, instant: int) -> int:
        """Play what is due at this instant and let the clock stand there; returns how much."""
        played = self._play(instant)
        self.records.commit()
        return played

    def play_until(self, instant: int) -> None:
        """Play everything up to an instant as part of the request being served."""
        while (due := self.records.next_due()) is not None and due[0] <= instant:
            self._play(due[0])
        self.now = max(self.now, instant)

    def _play(self, instant: int) -> int:
        self.now = max(self.now, instant)
        played = 0
        while (due := self.records.next_due()) is not None and due[0] <= instant:
            thing = self.records.things[due[1]]
            self.schedule(thing, **{due[2]: None})
            JOBS[thing["object"], due[2]](self, thing)
            played += 1
        return played


def fingerprint(method: str, path: str, given: Thing) -> str:
    """What two requests with one idempotency key must share."""
    plain = json.dumps(_plain(given), sort_keys=True)
    return hashlib.sha256(f"{method} {path} {plain}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return {str(place): _plain(inner) for place, inner in enumerate(value)}
    return str(value)


__all__ = ["HIDDEN", "Answer", "World"]
