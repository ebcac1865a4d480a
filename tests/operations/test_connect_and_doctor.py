"""`holdfast connect` and `holdfast doctor` against the sandbox, through the official SDK."""

import pytest

from app.operations import accounts, connect, doctor
from tests.operations.conftest import Command
from tests.sandbox.stand import Served

# The SDK hands its forms to httpx by an older name.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_connecting_makes_one_endpoint_pinned_and_without_wildcards(
    says: Command, provider: Served, account_id: str
) -> None:
    first, _ = says(connect.run)
    again, told = says(connect.run, account_id)

    [endpoint] = provider.client().v1.webhook_endpoints.list().data
    assert (first, again) == (0, 0)
    assert "is connected" in told
    assert endpoint.url == f"http://127.0.0.1:8200/webhooks/stripe/{account_id}"
    assert endpoint.api_version == "2026-10-28.endive"
    assert not {"*", "invoice.created"} & set(endpoint.enabled_events)


def test_the_secret_of_the_new_endpoint_is_kept(
    says: Command, provider: Served, account_id: str
) -> None:
    _, before = says(accounts.run, "list")
    says(connect.run)
    _, after = says(accounts.run, "list")

    assert "not connected" in before
    assert "ready" in after


def test_an_endpoint_whose_secret_is_lost_is_not_made_twice_unasked(
    says: Command, provider: Served, account_id: str
) -> None:
    url = f"http://127.0.0.1:8200/webhooks/stripe/{account_id}"
    provider.client().v1.webhook_endpoints.create({"url": url, "enabled_events": ["invoice.paid"]})

    refused, told = says(connect.run)
    made, _ = says(connect.run, "--again")

    assert (refused, made) == (2, 0)
    assert "its secret is not here" in told


def test_an_account_that_is_well_is_told_so(
    says: Command, provider: Served, account_id: str
) -> None:
    says(connect.run)

    status, report = says(doctor.run)

    assert "is pinned and asks for exactly what we read" in report
    assert "wrong" not in report
    assert status == 0


def test_the_doctor_says_what_to_do_about_a_missing_endpoint(
    says: Command, account_id: str
) -> None:
    status, report = says(doctor.run)

    assert status == 1
    assert f"→ `holdfast connect {account_id}`" in report


def test_the_doctor_finds_an_endpoint_that_asks_for_the_wrong_events(
    says: Command, provider: Served, account_id: str
) -> None:
    says(connect.run)
    [endpoint] = provider.client().v1.webhook_endpoints.list().data
    provider.client().v1.webhook_endpoints.update(endpoint.id, {"enabled_events": ["*"]})

    status, report = says(doctor.run)

    assert status == 1
    assert "it asks for every event (`*`)" in report


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        pytest.param("DATABASE_URL", "postgresql://127.0.0.1:1/x", "does not answer", id="db"),
        pytest.param("REDIS_URL", "redis://127.0.0.1:1", "nothing is lost", id="redis"),
        pytest.param("HOLDFAST_MAILBOX_DIR", "", "SMTP_URL is not set", id="no mail"),
        pytest.param("HOLDFAST_ENVIRONMENT", "production", "HOLDFAST_SECRET_KEYS", id="secrets"),
        pytest.param("HOLDFAST_POLICY_FILE", "nowhere.yaml", "HOLDFAST_POLICY_FILE", id="policy"),
        pytest.param("HOLDFAST_SECRET_KEYS", "x" * 32, "the former master key", id="lost key"),
        pytest.param(
            "HOLDFAST_PUBLIC_URL", "http://x.example", "set HOLDFAST_PUBLIC_URL", id="url"
        ),
    ],
)
def test_the_doctor_says_what_is_wrong_with_the_deployment(
    says: Command,
    account_id: str,
    deployment: pytest.MonkeyPatch,
    name: str,
    value: str,
    told: str,
) -> None:
    deployment.setenv(name, value)

    status, report = says(doctor.run)

    assert status == 1
    assert told in report
    assert "→" in report


def test_the_doctor_finds_a_database_that_was_never_migrated(
    says: Command, deployment: pytest.MonkeyPatch, database_url: str
) -> None:
    deployment.setenv("DATABASE_URL", database_url)

    status, report = says(doctor.run)

    assert (status, "run `holdfast migrate`" in report) == (1, True)
