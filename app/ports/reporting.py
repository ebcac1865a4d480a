"""Logins of the database that read through the views of `reporting`."""

from typing import Protocol


class UnknownLogin(LookupError):
    """The database has no login of this name, or it is one that views are not for."""


class Reporting(Protocol):
    """Who may use the views at all. Which rows they show is said by `Reader`s: who no longer
    reads any merchant's may still ask, and finds nothing."""

    async def open_to(self, login: str) -> None:
        """Let a login select from every view. Raises `UnknownLogin`: of one that is not there, and
        of one that passes over row-level security.
        Safe to repeat. Raises `StoreUnavailable`."""
        ...
