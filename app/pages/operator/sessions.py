"""Who is at the desk: a sealed cookie that names an API key for a few hours, and nothing else.

No row is kept. What the key may do is looked up with every request, so that a revoked key ends
its sessions at once.
"""

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.ports.secrets import SecretUnreadable
from app.ports.world import World

LASTS = timedelta(hours=8)  # a working day; no request makes it longer
TICKET_LASTS = timedelta(minutes=10)
TICKET = "operator ticket"
SEALED_AT_MOST = 2000  # characters that are opened at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`key_id` is None before somebody signs in. `token` stands in every form; a page of another
    site can neither read it nor guess it."""

    key_id: str | None
    token: str
    ends_at: datetime

    def wrote(self, token: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(self.token.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """Reads and writes one cookie. Over https its name begins with `__Host-`, which browsers
    accept only with `Secure`, for this very host, from a page of it."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._purpose = world, f"operator {name}"
        self._secure = world.public_url.startswith("https://")
        self.cookie = f"__Host-holdfast-{name}" if self._secure else f"holdfast-{name}"

    def of(self, request: Request) -> Session | None:
        """The session of a request; None without one, and for one that is over or not ours."""
        told = _opened(self._world, request.cookies.get(self.cookie, ""), self._purpose)
        if told is None:
            return None
        ends_at = datetime.fromisoformat(told["ends"])
        return Session(key_id=told["key"], token=told["token"], ends_at=ends_at)

    def new(self, key_id: str | None = None) -> Session:
        """A session with a token of its own: whoever signs in gets another than before."""
        ends_at = self._world.clock.now() + LASTS
        return Session(key_id=key_id, token=secrets.token_urlsafe(32), ends_at=ends_at)

    def keep(self, response: Response, session: Session) -> None:
        """Give the session to the browser, for as long as its window is open and no longer."""
        told = {
            "for": self._purpose,
            "key": session.key_id,
            "token": session.token,
            "ends": session.ends_at.isoformat(),
        }
        response.set_cookie(
            self.cookie,
            self._world.sealer.seal(json.dumps(told)),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def forget(self, response: Response) -> None:
        """Take the cookie back."""
        response.delete_cookie(
            self.cookie, path="/", secure=self._secure, httponly=True, samesite="strict"
        )


def give_ticket(world: World, *to: str) -> str:
    """A sealed address part that opens one thing for ten minutes. A frame without rights sends no
    cookie along, so what it shows is asked for with a ticket of the page around it."""
    ends_at = world.clock.now() + TICKET_LASTS
    told = {"for": TICKET, "to": to, "ends": ends_at.isoformat()}
    return world.sealer.seal(json.dumps(told))


def read_ticket(world: World, sealed: str) -> tuple[str, ...]:
    """What a ticket opens; nothing for one that is over or not ours."""
    told = _opened(world, sealed, TICKET)
    return tuple(told["to"]) if told else ()


def _opened(world: World, sealed: str, purpose: str) -> dict[str, Any] | None:
    """What was sealed for this purpose and is not over. Other things are sealed under the same
    keys, for other purposes."""
    if not 0 < len(sealed) <= SEALED_AT_MOST:
        return None
    try:
        told = json.loads(world.sealer.open(sealed))
    except (SecretUnreadable, ValueError):
        return None
    if not isinstance(told, dict) or told.get("for") != purpose:
        return None
    return told if datetime.fromisoformat(told["ends"]) > world.clock.now() else None
