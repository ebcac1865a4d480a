"""How an event travels: its body, its signature, and when it is sent again.

Source: Standard Webhooks 1.0.0, spec/standard-webhooks.md in standard-webhooks/standard-webhooks.
"""

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.domain.events import OutgoingEvent

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets, not one
SECRET_BYTES = 32  # the specification asks for 24 to 64
ROTATION = timedelta(days=1)  # the former secret signs as well for so long
# Waits after the first, second, ... failed try: the schedule that the specification gives.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
LONGEST_REST = timedelta(hours=1)  # a failing endpoint is tried with one event at least so often
LONGEST_ASKED = timedelta(days=1)  # of what `Retry-After` may ask
PROBE = timedelta(seconds=60)  # while one event is tried at a failing endpoint, the others wait
DISABLED_AFTER = timedelta(days=5)  # without a single success
GONE = 410


def body_of(event: OutgoingEvent) -> bytes:
    """The request body: compact JSON, the same bytes whenever it is made."""
    document = {
        "id": event.event_id,
        "type": event.type,
        "version": event.version,
        "timestamp": stamp(event.occurred_at),
        "subject": event.subject,
        "sequence": event.sequence,
        "data": dict(sorted(event.data.items())),
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def stamp(at: datetime | None) -> str | None:
    """An instant in a payload: RFC 3339 in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def signature(secret: str, event_id: str, seconds: int, body: bytes) -> str:
    """`v1,<base64>`: HMAC-SHA256 of `id.timestamp.body` under the secret's decoded bytes."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{event_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers_of(
    event_id: str, body: bytes, secrets: Sequence[str], *, at: datetime
) -> dict[str, str]:
    """The headers of one try at `at`: one signature for each secret, the newest first."""
    seconds = int(at.timestamp())
    return {
        "content-type": "application/json",
        "user-agent": "Holdfast-Events/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signature(s, event_id, seconds, body) for s in secrets),
    }


def wait_after(tries: int, asked_s: float | None, *, key: str) -> timedelta | None:
    """How long to wait after the `tries`-th failed try (counts from 1); None: give up.

    Up to a quarter is added, another for each delivery and try (`key`), so that they do not all
    come back at once. What the endpoint asked for (`Retry-After`, seconds) is kept, up to a day.
    """
    if tries > len(WAITS):
        return None
    return max(_jittered(WAITS[tries - 1], f"{key}:{tries}"), _asked(asked_s))


def rest_after(failures: int, asked_s: float | None, *, key: str) -> timedelta:
    """How long an endpoint is left alone after its `failures`-th failed try in a row."""
    wait = min(WAITS[min(failures, len(WAITS)) - 1], LONGEST_REST)
    return max(_jittered(wait, f"{key}:{failures}"), _asked(asked_s))


def _asked(asked_s: float | None) -> timedelta:
    return min(timedelta(seconds=max(asked_s or 0, 0)), LONGEST_ASKED)


def _jittered(wait: timedelta, key: str) -> timedelta:
    return wait * (1 + zlib.crc32(key.encode()) % 1000 / 4000)
