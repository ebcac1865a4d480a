"""Where events may go: addresses of the public internet, and of nothing that is inside."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

LONGEST_URL = 2048
NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
SHOWN = re.compile(r"[!-~]+")
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
# Names that no public resolver knows (RFC 6761, 6762, 8375, 9476, and ICANN's private-use name).
INSIDE = ("localhost", "local", "internal", "home.arpa", "invalid", "test", "onion", "alt")
# IANA's special-purpose registries. Written out, because what Python calls global is less strict:
# multicast, addresses mapped or translated to IPv4, and relays count as global there.
CLOSED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and the metadata services of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
OPEN_6 = IPv6Network("2000::/3")  # all else is loopback, mapped, NAT64, local, multicast or unused
CLOSED_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address in disguise
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is one of the public internet. What is no address is not."""
    try:
        known = ip_address(address)
    except ValueError:
        return False
    if isinstance(known, IPv4Address):
        return not any(known in network for network in CLOSED_4)
    return _is_open(known)


def _is_open(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in OPEN_6:
        return False
    return not any(address in network for network in CLOSED_6)


def is_loopback(address: str) -> bool:
    """Whether an IP address, as text, is this very machine's."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def why_refused(url: str, *, local: bool = False) -> str | None:
    """Why no event may go to this URL, as far as it can be told without asking a name server;
    None where nothing speaks against it. `local` also allows this machine, over http."""
    if len(url) > LONGEST_URL:
        return f"must have at most {LONGEST_URL} characters"
    if not SHOWN.fullmatch(url) or "\\" in url:
        return "must be written in visible ASCII characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        return "must not carry a login"
    if parts.fragment or port == 0:
        return "must not have a fragment, nor port 0"
    if local and parts.scheme in {"http", "https"} and parts.hostname in LOCAL:
        return None
    return _why_not_public(parts)


def _why_not_public(parts: SplitResult) -> str | None:
    host = (parts.hostname or "").removesuffix(".")
    if parts.scheme != "https":
        return "must begin with https://"
    if not NAME.fullmatch(host):
        return "must name a host of the public internet, not an address"
    if any(host == name or host.endswith(f".{name}") for name in INSIDE):
        return "must name a host of the public internet"
    return None
