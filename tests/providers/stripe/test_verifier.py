"""Only who knows the secret gets in, now and not later; and no bytes at all break the door."""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ports.webhooks import BadSignature
from app.providers.stripe.webhooks import StripeWebhooks

SECRET = "whsec_one"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
BODY = b'{"id":"evt_1","object":"event"}'
HOOKS = StripeWebhooks()


def signed(body: bytes = BODY, *, secret: str = SECRET, at: datetime = NOW) -> bytes:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    return f"t={stamp},v1={digest}".encode()


def accepts(header: bytes, *, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> bool:
    try:
        HOOKS.verify(body, header, secrets=secrets, now=NOW)
    except BadSignature:
        return False
    return True


def test_a_signature_made_by_the_sdk_is_accepted():
    stamp = int(NOW.timestamp())
    make = stripe.WebhookSignature.generate_signature_header

    header = make(BODY.decode(), SECRET, stamp)

    assert accepts(header.encode())


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [
        pytest.param(-301, False, id="older than the tolerance"),
        pytest.param(-300, True, id="as old as the tolerance"),
        pytest.param(300, True, id="as far in the future as the tolerance"),
        pytest.param(301, False, id="further in the future, which the SDK would accept"),
        pytest.param(86_400, False, id="a day in the future"),
    ],
)
def test_a_signature_holds_five_minutes_in_both_directions(seconds, accepted):
    header = signed(at=NOW + timedelta(seconds=seconds))

    assert accepts(header) is accepted


def test_any_of_several_secrets_may_have_signed():
    assert accepts(signed(secret="whsec_old"), secrets=("whsec_new", "whsec_old"))


def test_any_of_several_signatures_may_be_ours():
    good = signed().partition(b",")[2]
    stamp = signed().partition(b",")[0]

    header = b",".join([stamp, b"v1=" + b"0" * 64, good, b"v0=" + b"1" * 64])

    assert accepts(header)


GOOD = signed()
STAMP, _, V1 = GOOD.partition(b",")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"t=,v1=", id="empty parts"),
        pytest.param(STAMP, id="no signature"),
        pytest.param(V1, id="no stamp"),
        pytest.param(STAMP + b"," + STAMP + b"," + V1, id="two stamps"),
        pytest.param(GOOD.replace(b"v1=", b"v0="), id="only the test scheme"),
        pytest.param(b"t=\xd9\xa1\xd9\xa2," + V1, id="digits that are not ASCII"),
        pytest.param(b"t=-1," + V1, id="a negative stamp"),
        pytest.param(b"t=1e9," + V1, id="a stamp that is no integer"),
        pytest.param(b"t=" + b"9" * 400 + b"," + V1, id="an endless stamp"),
        pytest.param(b",".join([STAMP, *[b"v1=" + b"0" * 64] * 10, V1]), id="eleven signatures"),
        pytest.param(GOOD + b"," + b"x" * 1024, id="a header over a kibibyte"),
        pytest.param(GOOD.replace(b"v1=", b"v1=\xff\xfe"), id="odd bytes"),
    ],
)
def test_a_header_of_another_form_is_refused(header):
    assert not accepts(header)


def test_ten_signatures_are_looked_at():
    assert accepts(b",".join([STAMP, *[b"v1=" + b"0" * 64] * 9, V1]))


@pytest.mark.parametrize("secrets", [(), ("",), ("  \n",)], ids=["none", "empty", "blank"])
def test_without_a_secret_nobody_gets_in(secrets):
    assert not accepts(signed(secret=""), secrets=secrets)


def test_a_body_changed_by_one_byte_is_refused():
    assert not accepts(GOOD, body=BODY + b" ")


def test_a_body_that_is_no_text_is_verified_as_bytes():
    body = b"\xff\x00\xfe"

    assert accepts(signed(body), body=body)


@given(body=st.binary(max_size=200), header=st.binary(max_size=1200))
def test_no_bytes_raise_anything_but_bad_signature(body, header):
    assert not accepts(header, body=body)


PARTS = st.one_of(
    st.just(STAMP),
    st.just(V1),
    st.sampled_from([b"t=0", b"v1=00", b"v0=00", b"t", b"=", b"", b"v1=", b" v1=ab", b"t=007"]),
    st.integers(min_value=0, max_value=10**12).map(lambda n: f"t={n}".encode()),
)


@settings(max_examples=150)
@given(parts=st.lists(PARTS, max_size=6), secret=st.sampled_from([SECRET, "whsec_other"]))
def test_whatever_we_accept_the_sdk_accepts(parts, secret):
    header = b",".join(parts)

    if accepts(header, secrets=(secret,)):
        assert stripe.WebhookSignature.verify_header(BODY, header.decode(), secret, tolerance=None)


@given(text=st.text(max_size=50), secret=st.text(min_size=1, max_size=20))
def test_whatever_the_sdk_signs_now_we_accept(text, secret):
    if not secret.strip():
        return
    body = text.encode()
    stamp = int(NOW.timestamp())

    header = stripe.WebhookSignature.generate_signature_header(text, secret, stamp)

    assert accepts(header.encode(), body=body, secrets=(secret,))
