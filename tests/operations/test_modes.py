"""`holdfast accounts mode`: drive is not entered while the provider retries too."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.operations import accounts, connect, doctor
from tests.operations.conftest import Command
from tests.sandbox.stand import Served

HOW = "turn Smart Retries and custom retries off"


def made(provider: Served, path: str, **form: Any) -> str:
    answer = provider.raw("POST", f"/v1/{path}", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def retried(provider: Served) -> str:
    """A customer whose renewal was refused, and which the provider will try again."""
    card = provider.control("cards", {"base": "visa"})["id"]
    default = {"invoice_settings[default_payment_method]": card}
    customer = made(provider, "customers", payment_method=card, **default)
    price = made(
        provider,
        "prices",
        product=made(provider, "products", name="Team"),
        currency="usd",
        unit_amount=3000,
        **{"recurring[interval]": "month"},
    )
    made(provider, "subscriptions", customer=customer, **{"items[0][price]": price})
    behaviour = {"kind": "decline", "code": "do_not_honor"}
    provider.control("cards", {"payment_method": card, "behaviour": behaviour})
    renewed = datetime.fromisoformat(provider.status()["now"]).timestamp() + 32 * 86_400
    provider.control("advance", {"to": datetime.fromtimestamp(renewed, UTC).isoformat()})
    return customer


def test_drive_is_entered_where_the_provider_retries_nothing(
    says: Command, account_id: str
) -> None:
    status, printed = says(accounts.run, "mode", account_id, "drive")
    _, listed = says(accounts.run, "list")

    assert (status, "we retry" in printed) == (0, True)
    assert "drive" in listed


def test_drive_is_refused_while_the_provider_retries_with_how_to_change_it(
    says: Command, account_id: str, retried: str
) -> None:
    status, printed = says(accounts.run, "mode", account_id, "drive")
    _, listed = says(accounts.run, "list")

    assert status == 2
    assert "will itself retry 1 of 1 open invoices (in_" in printed
    assert HOW in printed
    assert "observe" in listed


def test_drive_is_refused_where_nobody_can_be_asked(
    says: Command, provider: Served, account_id: str
) -> None:
    provider.control("faults", {"fault": "500", "path": "/v1/invoices", "times": 5})

    status, printed = says(accounts.run, "mode", account_id, "drive")

    assert (status, "cannot be seen" in printed) == (2, True)


def test_an_account_that_is_to_drive_is_not_connected_while_the_provider_retries(
    says: Command, provider: Served, retried: str
) -> None:
    adding = ("add", "--merchant", "Kelp", "--mode", "drive", "--api-base", provider.url)
    says(accounts.run, *adding, typed="sk_test_sandbox_1\n\n")

    status, printed = says(connect.run)

    assert (status, HOW in printed) == (2, True)
    assert not provider.client().v1.webhook_endpoints.list().data


def test_drive_is_left_at_any_time_and_the_doctor_sees_who_retries(
    says: Command, account_id: str, retried: str
) -> None:
    status, printed = says(accounts.run, "mode", account_id, "observe")
    _, report = says(doctor.run)

    assert (status, "the provider retries" in printed) == (0, True)
    assert "retries do not collide (1 of 1 open invoices retried by the provider)" in report


def test_a_mode_that_does_not_exist_is_refused(says: Command, account_id: str) -> None:
    with pytest.raises(SystemExit):
        says(accounts.run, "mode", account_id, "hover")
