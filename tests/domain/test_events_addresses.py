"""Where events may go: whatever an address looks like, nothing inside is public."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events_addresses import is_loopback, is_public, why_refused

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "0.0.0.0",  # noqa: S104 - an address that must not be reached
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.1.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
]
OUTSIDE = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_what_is_public_is_global_unicast_to_python_as_well(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_reached_in_the_clothes_of_ipv6(address: ipaddress.IPv4Address) -> None:
    clothed = [f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}"]
    clothed.append(str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80))))

    assert not [form for form in clothed if is_public(form)]


@given(st.text())
def test_what_is_no_address_is_not_public_and_raises_nothing(text: str) -> None:
    assert not is_public(text) or ipaddress.ip_address(text).version in (4, 6)
    assert is_loopback(text) in (True, False)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com:8443/a/b?c=d",
        "https://xn--bcher-kva.example/",
        "HTTPS://Hooks.Example.COM/",
        "https://hooks.example.com./",
    ],
)
def test_a_public_https_url_is_taken(url: str) -> None:
    assert why_refused(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//hooks.example.com/",
        "https://",
        "https:///path",
        "https://hooks",
        "https://localhost/",
        "https://localhost./",
        "https://a.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://router.home.arpa/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://8.8.8.8/",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://@hooks.example.com/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:port/",
        "https://hooks.example.com/\r\nHost: other",
        "https://hooks.example.com/ x",
        "https://hooks.example.com/\x00",
        "https://bücher.example/",
        "https://hooks。example.com/",
        "https://-hooks.example.com/",
        "https://hooks..example.com/",
        "https://[fe80::1%25eth0]/",
        "https://[hooks/",
        "https://hooks.example.com/" + "x" * 2048,
    ],
)
def test_what_is_no_public_https_url_is_refused(url: str) -> None:
    assert why_refused(url) is not None


@pytest.mark.parametrize("url", ["http://localhost:8000/x", "http://127.0.0.1/", "http://[::1]/"])
def test_this_machine_is_allowed_where_it_is_wished_and_only_it(url: str) -> None:
    assert why_refused(url, local=True) is None
    assert why_refused(url) is not None
    assert why_refused("http://hooks.example.com/", local=True) is not None


@given(st.text())
def test_no_text_makes_it_stumble(text: str) -> None:
    assert why_refused(text) is None or why_refused(text)
    assert why_refused(f"https://{text}/") is None or why_refused(f"https://{text}/")
