"""`holdfast translate FILE…`: how events read, one JSON line a file, without a database.

Imports neither the SDK nor a command-line library, so that it starts at once.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from app.domain.declines import Decline, DeclineKind
from app.domain.notices import Notice
from app.ports.webhooks import BadEvent
from app.providers.stripe.envelope import Event, open_event
from app.providers.stripe.known_types import is_known
from app.providers.stripe.translate import notices_of


def run(files: Sequence[str]) -> int:
    """Print a line a file; 1 if any was unreadable or not JSON (its line has `error`), else 0."""
    code = 0
    for name in files:
        line = describe_file(name)
        code |= "error" in line
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
    return code


def describe_file(name: str) -> dict[str, Any]:
    """The line of one file. JSON that is no event is not known and gives no notices."""
    try:
        body = Path(name).read_bytes()
    except OSError as failed:
        return {"file": name, "error": failed.strerror or "cannot be read"}
    try:
        event = open_event(body)
    except BadEvent as bad:
        if not _is_json(body):
            return {"file": name, "error": str(bad)}
        return {"file": name, "api_version": None, "known": False, "notices": []}
    return describe(name, event)


def describe(name: str, event: Event) -> dict[str, Any]:
    """The line of one event."""
    return {
        "file": name,
        "api_version": event.api_version,
        "known": is_known(event.type),
        "notices": [_line(notice) for notice in notices_of(event)],
    }


def effective_kind(decline: Decline | None) -> str | None:
    """What a refusal means once the network's and Stripe's advice have outranked its code."""
    if decline is None:
        return None
    return (DeclineKind.NEVER if decline.is_final else decline.kind).value


def _line(notice: Notice) -> dict[str, Any]:
    return {
        "kind": notice.kind.value,
        "object": notice.object,
        "customer": notice.customer,
        "invoice": notice.invoice,
        "subscription": notice.subscription,
        "amount_minor": notice.amount_minor,
        "currency": notice.currency,
        "decline_kind": effective_kind(notice.decline),
        "occurred_at": notice.occurred_at.isoformat().replace("+00:00", "Z"),
    }


def _is_json(body: bytes) -> bool:
    """Whether it is JSON by the grammar, also where we refuse it (lone surrogates, depth)."""
    try:
        json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
