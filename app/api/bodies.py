"""Request bodies, counted while they stream in."""

import asyncio

from starlette.types import Message, Receive, Scope

from app.api.problems import Problem

PATIENCE_S = 15.0  # for a whole body; a mebibyte needs 0.6 Mbit/s


class ClientGone(Exception):
    """The client hung up before its request was complete; nobody waits for an answer."""


def too_large() -> Problem:
    """The problem of a body over its limit. The rest of it is not read: the connection ends."""
    return Problem(
        "body-too-large",
        "The body is larger than this route takes.",
        headers={"Connection": "close"},
    )


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a request header; None where it is missing or stands there twice."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. A length announced over `limit` is refused before a byte is read.

    Raises `Problem` (413 over `limit` bytes, 408 for one that trickles in longer than 15 s) and
    `ClientGone` for half a body.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
        raise too_large()
    try:
        async with asyncio.timeout(PATIENCE_S):  # from its first byte on, which may never come
            return await _whole(receive, limit)
    except TimeoutError as slow:
        raise Problem(
            "request-timeout", "The body did not arrive in time.", headers={"Connection": "close"}
        ) from slow


async def _whole(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(_part(message, limit - size))
        size += len(parts[-1])
        if not message.get("more_body"):
            return b"".join(parts)


def _part(message: Message, room: int) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    part: bytes = message.get("body", b"")
    if len(part) > room:
        raise too_large()
    return part
