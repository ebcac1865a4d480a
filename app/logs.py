"""Logs: structured, only of named fields, and without anybody's secret, card or address.

Every logger goes through here, the libraries' own too, so that a traceback cannot say more than
a line of ours may.
"""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

# A field that is not listed here is not written; its name is, under `left_out`.
# fmt: off
ALLOWED = frozenset([
    "event", "level", "logger", "timestamp", "exception", "error", "request_id", "route",
    "method", "status", "ms", "merchant", "account", "case", "invoice", "customer",
    "subscription", "action", "attempt", "message_id", "link", "kind", "reason", "outcome",
    "count", "batch", "limit", "worker", "queue", "job", "claims", "lag_s", "waited_s",
    "retry_after_s", "template", "channel", "version", "port", "pid", "state", "left_out", "seed",
    "fault", "fuse", "invariant",
])
# fmt: on
LONGEST = 8_000  # characters of one value: enough for a traceback, not for a flood
REDACTIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"://[^/\s@]*@"), "://[login]@"),
    (re.compile(r"\b(?:sk|rk|pk|hf)_(?:live|test)_\w+"), "[key]"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), "[webhook secret]"),
    (re.compile(r"\bbearer\s+\S+", re.IGNORECASE), "[bearer]"),
    (re.compile(r"\bv1\.[0-9a-f]{8}\.[\w=-]+"), "[sealed]"),
    (re.compile(r"/p/[\w-]{8,}"), "/p/[token]"),
    (re.compile(r"[^\s@<>\"'(),;:=\[\]]{1,64}@[\w-]+(?:\.[\w-]+)*"), "[address]"),
)
# Where a card number may be, with its month or its check code behind it.
DIGITS = re.compile(r"(?<!\d)\d(?:[ -]{0,3}\d){12,}(?!\d)")
GROUP = re.compile(r"\d+")
CARD_LENGTHS = range(13, 20)


def redact(text: str) -> str:
    """The text without keys, webhook secrets, bearer tokens, logins in URLs, link tokens, mail
    addresses and card numbers (13 to 19 digits that satisfy Luhn's check)."""
    shown = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    for pattern, instead in REDACTIONS:
        shown = pattern.sub(instead, shown)
    return DIGITS.sub(_without_card, shown)


def _without_card(found: re.Match[str]) -> str:
    """The digits without the groups that together are a card number."""
    text = found.group()
    groups = list(GROUP.finditer(text))
    kept, place, first = "", 0, 0
    while first < len(groups):
        behind = _behind_card(groups, first)
        if behind:
            kept += text[place : groups[first].start()] + "[card]"
            place = groups[behind - 1].end()
        first = behind or first + 1
    return kept + text[place:]


def _behind_card(groups: list[re.Match[str]], first: int) -> int | None:
    """The place behind the last of the groups that make a card number from `first` on."""
    digits, found = "", None
    for place, group in enumerate(groups[first : first + CARD_LENGTHS.stop], first + 1):
        digits += group.group()
        if len(digits) >= CARD_LENGTHS.stop:
            break
        if len(digits) in CARD_LENGTHS and _luhn(digits):
            found = place
    return found


def _luhn(text: str) -> bool:
    digits = [int(c) for c in reversed(text)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def keep_allowed(
    _logger: Any, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: drop unlisted fields, redact the rest."""
    kept: MutableMapping[str, Any] = {}
    left_out = []
    for name, value in fields.items():
        if name.startswith("_"):
            kept[name] = value  # structlog's own; removed before rendering
        elif name not in ALLOWED:
            left_out.append(redact(name))
        elif isinstance(value, bool | int | float) or value is None:
            kept[name] = value
        else:
            kept[name] = redact(str(value))
    if left_out:
        kept["left_out"] = " ".join(sorted(left_out))
    return kept


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment of each line."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Fixed by what the class is for."""


def configure_logging(*, level: str, form: str = "json") -> None:
    """Send every logger of this process to standard error, one redacted line each.

    The server's own access log is switched off: it would write paths with tokens in them.
    Repeatable.
    """
    steps: list[Callable[..., Any]] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*steps],
        processors=[
            keep_allowed,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(form),
        ],
    )
    handler = StandardError()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "arq", "arq.worker"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("httpx", "httpcore", "stripe"):
        logging.getLogger(chatty).setLevel("WARNING")


def _renderer(form: str) -> Any:
    if form == "json":
        return structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=True)
    return structlog.dev.ConsoleRenderer(colors=False)
