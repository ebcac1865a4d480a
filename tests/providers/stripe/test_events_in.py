"""What intake asks of an event, and that no JSON whatever breaks its reading."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.notices import Notice
from app.ports.webhooks import BadEvent
from app.providers.stripe.translate import READER_OF
from app.providers.stripe.webhooks import StripeWebhooks
from tests.providers.stripe.stripe_shapes import charge, event, intent, invoice, subscription

HOOKS = StripeWebhooks()


def test_the_head_of_a_snapshot_event():
    head = HOOKS.head(event("invoice.paid", invoice(), account="acct_1"))

    assert head.id == "evt_1"
    assert head.type == "invoice.paid"
    assert head.created_at == datetime.fromtimestamp(1_790_000_000, UTC)
    assert head.live is False
    assert head.account == "acct_1"


def test_the_head_of_a_thin_event_of_a_connected_account():
    body = (
        b'{"id":"evt_2","object":"v2.core.event","type":"v1.invoice.paid",'
        b'"created":"2026-10-01T14:00:00.123+02:00","context":"acct_9/acct_2"}'
    )

    head = HOOKS.head(body)

    assert head.created_at == datetime(2026, 10, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    assert head.account == "acct_2"
    assert head.live is None


def of(shown: str) -> bytes:
    return b'{"id":"e","type":"a","created":1,' + shown.encode() + b"}"


@pytest.mark.parametrize(
    ("body", "customer"),
    [
        pytest.param(event("invoice.paid", invoice()), "cus_1", id="named"),
        pytest.param(of('"data":{"object":{"customer":{"id":"cus_2"}}}'), "cus_2", id="expanded"),
        pytest.param(
            of('"data":{"object":{"object":"customer","id":"cus_3"}}'), "cus_3", id="themselves"
        ),
        pytest.param(
            of('"related_object":{"type":"customer","id":"cus_4"}'), "cus_4", id="pointed at"
        ),
        pytest.param(of('"data":{"object":{"customer":null}}'), None, id="nobody"),
        pytest.param(of('"data":{"object":{"customer":["cus_1"]}}'), None, id="a list"),
        pytest.param(of('"data":{"object":{"customer":"a\\u0000b"}}'), None, id="NUL"),
        pytest.param(of('"data":"cus_1","related_object":7'), None, id="no objects"),
    ],
)
def test_the_head_tells_whom_an_event_is_about(body, customer):
    assert HOOKS.head(body).customer == customer


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="not JSON"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"evt_1"', id="a string"),
        pytest.param(b"NaN", id="not a number"),
        pytest.param(b'{"id":NaN,"type":"a","created":1}', id="NaN inside"),
        pytest.param(b'{"id":"e\\ud800","type":"a","created":1}', id="a lone surrogate"),
        pytest.param(b'{"id":"e","type":"a","created":1,"x":' + b"[" * 5000, id="very deep"),
        pytest.param(b'{"type":"a","created":1}', id="no id"),
        pytest.param(b'{"id":"","type":"a","created":1}', id="an empty id"),
        pytest.param(b'{"id":7,"type":"a","created":1}', id="an id that is a number"),
        pytest.param(b'{"id":{"id":"e"},"type":"a","created":1}', id="an id that is an object"),
        pytest.param(b'{"id":"e\\u0000","type":"a","created":1}', id="NUL in the id"),
        pytest.param(b'{"id":"e\\nf","type":"a","created":1}', id="a line end in the id"),
        pytest.param(b'{"id":"' + b"e" * 256 + b'","type":"a","created":1}', id="a long id"),
        pytest.param(b'{"id":"e","created":1}', id="no type"),
        pytest.param(b'{"id":"e","type":["a"],"created":1}', id="a type that is a list"),
        pytest.param(b'{"id":"e","type":"a"}', id="no instant"),
        pytest.param(b'{"id":"e","type":"a","created":true}', id="an instant that is a boolean"),
        pytest.param(b'{"id":"e","type":"a","created":-1}', id="an instant before 1970"),
        pytest.param(b'{"id":"e","type":"a","created":99999999999999}', id="a far instant"),
        pytest.param(b'{"id":"e","type":"a","created":"2026-10-01"}', id="a day without zone"),
        pytest.param(
            b'{"id":"e","type":"a","created":"0001-01-01T00:00:00+23:59"}', id="before year 1"
        ),
    ],
)
def test_what_is_no_event_is_refused_as_such(body):
    with pytest.raises(BadEvent):
        HOOKS.head(body)
    with pytest.raises(BadEvent):
        HOOKS.translate(body)


def test_the_last_of_a_doubled_key_counts():
    head = HOOKS.head(b'{"id":"evt_a","id":"evt_b","type":"ping","created":1}')

    assert head.id == "evt_b"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["in_1", "cus_1", "open", "paid", "forever", "usd", "1e999999", "sNaN", "\0"]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "data", "card", "status", "type"]), inner),
    ),
    max_leaves=6,
)
# Every name that some reader looks at, taken from whole objects of ours.
WHOLE = (invoice(), invoice("2017-08-15"), subscription(), charge(), intent("2024-06-20"))
NAMES = sorted({name for obj in WHOLE for name in obj} | {"discounts", "payments", "lines"})


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    name=st.sampled_from(sorted(READER_OF)),
    whole=st.sampled_from(WHOLE),
    odd=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=5),
    previous=ANYTHING,
)
@example(name="refund.created", whole=charge(), odd={"status": ["failed"]}, previous=None)
def test_hostile_objects_are_read_as_far_as_they_go(name, whole, odd, previous):
    notices = HOOKS.translate(event(name, whole | odd, previous=previous))

    assert all(isinstance(notice, Notice) for notice in notices)
    for notice in notices:
        assert notice.amount_minor is None or 0 <= notice.amount_minor <= 10**15
        assert "\0" not in repr(notice)
        orjson.dumps(notice)


@settings(max_examples=100, deadline=None)
@given(body=st.dictionaries(st.sampled_from(["id", "type", "created", "data", "object"]), ANYTHING))
def test_hostile_envelopes_raise_nothing_but_bad_event(body):
    try:
        notices = HOOKS.translate(orjson.dumps(body))
    except BadEvent:
        return

    assert notices


@given(body=st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_bad_event(body):
    with pytest.raises(BadEvent):
        HOOKS.head(body)
