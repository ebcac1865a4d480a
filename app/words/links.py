"""Which addresses a customer may be sent to."""

import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Printable ASCII without what could end an attribute, a header or a line.
PLAIN = re.compile(r"[!#$%&()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,2000}")


class UnsafeLink(ValueError):
    """An address no customer is sent to: neither https nor this machine."""


def safe_link(url: str) -> str:
    """`url` unchanged if it is https, or http to this very machine (sandbox and demo).

    Raises `UnsafeLink` for every other scheme, a missing host, a user in the address, and
    characters that do not belong there. Escaping alone would let `javascript:` through.
    """
    if not PLAIN.fullmatch(url):
        raise UnsafeLink("the address has characters that do not belong there")
    try:
        parts = urlsplit(url)
        allowed = _allowed(parts)
    except ValueError as broken:
        raise UnsafeLink(str(broken)) from broken
    if not allowed:
        raise UnsafeLink(f"{parts.scheme or 'no scheme'} to this host is not allowed")
    return url


def _allowed(parts: SplitResult) -> bool:
    if not parts.hostname or "@" in parts.netloc or parts.port == 0:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
