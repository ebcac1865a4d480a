"""What people said who left: on public forms, and on the cancel page."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain.afterwards import AfterLetters, MendedReason
from app.domain.declarations import Declaration, DeclarationKind, DeclarationState
from app.domain.sessions import CancelSession, SessionState
from tests.pages.town import NOW, WHOSE

DECLARED = "dec_" + "1" * 32


def a_declaration(**told: Any) -> Declaration:
    said: dict[str, Any] = {
        "declaration_id": DECLARED,
        "merchant_id": "mer_1",
        "once": "A" * 32,
        "kind": DeclarationKind.ORDINARY,
        "name": "Ada <b>Brandt</b>",
        "email": "ada@example.com",
        "reference": "my contract",
        "wished_for": "2027-06-30",
        "received_at": NOW,
        "state": DeclarationState.WAITING,
        "note": "no contract of this reference and this address is known",
    }
    return Declaration(**said | told)


ON = AfterLetters(
    merchant_id="mer_1",
    since={"we_fixed_it": (NOW - timedelta(days=300)).isoformat()},
    return_url="https://kelp.example/plans",
)
LEFT = CancelSession(
    **WHOSE,
    session_id="cxs_1",
    customer_id="cus_1",
    subscription_id="sub_1",
    token_hash="h1",
    flow="default@1",
    step="done",
    state=SessionState.CANCELLED,
    reason="missing_feature",
    opened_at=NOW - timedelta(days=3),
    expires_at=NOW + timedelta(days=3),
)
STAYED = replace(LEFT, session_id="cxs_2", token_hash="h2", state=SessionState.SAVED)


def sayings() -> list[Any]:
    """A desk to which people have said much, some of it without a blank."""
    weight = "The service was down for weeks and nobody answered. " * 4
    return [
        a_declaration(),
        a_declaration(
            declaration_id="dec_" + "2" * 32,
            once="B" * 32,
            kind=DeclarationKind.EXTRAORDINARY,
            name="Donaudampfschifffahrtsgesellschaftskapitän" * 2,
            email="a" * 60 + "@" + "b" * 60 + ".example",
            reference="R" * 80,
            reason=weight,
        ),
        a_declaration(
            declaration_id="dec_" + "3" * 32,
            once="C" * 32,
            state=DeclarationState.SETTLED,
            settled_at=NOW,
            note="arranged by telephone",
        ),
        ON,
        LEFT,
        STAYED,
        replace(LEFT, session_id="cxs_3", token_hash="h3", reason="too_expensive"),
        replace(LEFT, session_id="cxs_4", token_hash="h4", reason=None),
        MendedReason(
            mended_id="mnd_1",
            merchant_id="mer_1",
            reason="not_using",
            note={"en": "Reports are sent by themselves now. " * 5},
            at=NOW - timedelta(days=2),
            by="test",
        ),
    ]
