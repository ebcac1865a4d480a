"""What a connection may cost while its client makes us wait: uvicorn's protocol with limits.

uvicorn waits for ever for a request that has begun, and keeps a head of any length.
"""

from asyncio import TimerHandle, Transport
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# For a whole head, from the connection or the last answer on. Bodies have a patience of their own.
HEAD_S = 10.0
# For a client that takes nothing of its answer.
READ_S = 60.0
MOST_HEAD = 64 * 1024
# Of so many that make us wait the one that has waited longest goes. A file is kept for each, and a
# process has 1,024 where nobody gave it more.
MOST_WAITING = 400


class BoundedProtocol(HttpToolsProtocol):
    """A connection of the api, cut off once its client has kept it waiting for too long."""

    # one server runs in a process; in the order in which they began to wait
    waiting: ClassVar[dict["BoundedProtocol", None]] = {}

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._timer: TimerHandle | None = None
        self._unread: TimerHandle | None = None
        self._head = 0
        self._in_head = True

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._waited()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes; a head that grows beyond its limit ends the connection."""
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MOST_HEAD:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """The head is whole: what follows is timed by whoever reads the body."""
        if self._head > MOST_HEAD and sum(len(k) + len(v) for k, v in self.headers) > MOST_HEAD:
            raise httptools.HttpParserError("the head is too large")
        self._in_head, self._head = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: now the client waits for us."""
        self._in_head = True
        if not self.cycle.response_complete:
            self._waited()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out; wait for the next request."""
        super().on_response_complete()
        if not self.flow.write_paused:  # else once the client has taken its answer
            self._wait_for_next()

    def pause_writing(self) -> None:
        """The client takes less than there is."""
        super().pause_writing()
        self._taken()
        self._look_again(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has taken what there was."""
        self._taken()
        super().resume_writing()
        self._wait_for_next()

    def _wait_for_next(self) -> None:
        # a request that came before its turn is being answered now
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        self._waited()
        self.waiting[self] = None
        self._timer = self.loop.call_later(HEAD_S, self._too_late)
        if len(self.waiting) > MOST_WAITING:
            longest = next(iter(self.waiting))
            del self.waiting[longest]
            longest.transport.abort()

    def _too_late(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.close()  # the end of an answer is still on its way
        else:
            self.transport.abort()

    def _waited(self) -> None:
        self.waiting.pop(self, None)
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self, left: int) -> None:
        self._unread = self.loop.call_later(READ_S, self._look_at_answer, left)

    def _look_at_answer(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left < before:  # slowly, but it takes it
            self._look_again(left)
        else:
            self.transport.abort()

    def _taken(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
