"""Sealed secrets and unguessable tokens."""

from typing import Protocol


class SecretUnreadable(Exception):
    """No configured key opens this; the master key was lost or the text is damaged."""


class Sealer(Protocol):
    def seal(self, plain: str) -> str:
        """AES-GCM under the first master key, as text."""
        ...

    def open(self, sealed: str) -> str:
        """Raises `SecretUnreadable`."""
        ...


class Tokens(Protocol):
    def link(self, *parts: str) -> str:
        """An unguessable URL-safe token for these parts, the same each time it is asked: a keyed
        hash under the master key, so that a letter rendered again carries the same link."""
        ...

    def known(self, *parts: str) -> tuple[str, ...]:
        """The tokens of these parts under every configured key, that of `link` first: what was
        derived before a rotation is derived still."""
        ...
