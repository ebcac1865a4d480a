"""What the database's errors mean to a service: try again, wait, or never."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from app.ports.store import Conflict, RowRefused, StoreUnavailable

# Serialization failure, deadlock, unique violation, lock timeout.
CONFLICTS = frozenset({"40001", "40P01", "23505", "55P03"})
FORBIDDEN = "42501"  # insufficient privilege, also by row-level security
# Data exceptions (text with NUL, numbers out of range) and integrity rules, by class.
REFUSALS = frozenset({"22", "23"})
FAULTS = (
    exc.DBAPIError,
    exc.TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
BREAKING = (Conflict, RowRefused, StoreUnavailable)


class Unbroken:
    """A transaction that failed once does nothing more, and does not commit: a database rolls a
    broken transaction back at its COMMIT without a word."""

    def __init__(self) -> None:
        self._step = _Step()

    def step(self) -> "_Step":
        """One thing done in the transaction. Raises the first fault again after there was one."""
        return self._step


class _Step:
    """What `Unbroken.step` gives: by itself, as every statement goes through it."""

    __slots__ = ("_fault",)

    def __init__(self) -> None:
        self._fault: BaseException | None = None

    def __enter__(self) -> None:
        if self._fault:
            raise self._fault

    def __exit__(self, kind: object, fault: BaseException | None, where: object) -> None:
        if self._fault is None and isinstance(fault, BREAKING):
            self._fault = fault


@contextmanager
def translated() -> Iterator[None]:
    """Raise `Conflict`, `RowRefused` or `StoreUnavailable` for what the driver raises."""
    try:
        yield
    except FAULTS as fault:
        raise meaning_of(fault) from fault


def meaning_of(fault: BaseException) -> Conflict | RowRefused | StoreUnavailable:
    """What a driver's error means, in its words, except where they would show a row's contents
    (P12: no personal data in logs)."""
    cause = (fault.orig or fault) if isinstance(fault, exc.DBAPIError) else fault
    state = str(getattr(cause, "sqlstate", None) or "")
    said = "" if state.startswith("22") else (str(cause).splitlines() or [""])[0]
    text = f"{type(cause).__name__} {state} {said}".strip()
    if state in CONFLICTS:
        return Conflict(text)
    if state == FORBIDDEN or state[:2] in REFUSALS:
        return RowRefused(text)
    return StoreUnavailable(text)
