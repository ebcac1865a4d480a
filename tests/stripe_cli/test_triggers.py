"""Stripe's own trigger scripts, run by its command line tool, as a contract nobody here wrote.

Collected by `./run test --stripe-cli` only; the environment's STRIPE_CLI names the tool.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.sandbox.stand import Served, serve

TRIGGERS = (
    "charge.dispute.created",
    "charge.failed",
    "charge.refunded",
    "checkout.session.completed",
    "customer.created",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.updated",
    "invoice.voided",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.detached",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
    "subscription_schedule.released",
)
# It tells its makers of each call, and now and then falls over its own counting of that at the end.
UNTOLD = {"STRIPE_CLI_TELEMETRY_OPTOUT": "1"}


@pytest.fixture(scope="module")
def sandbox():
    with serve() as running:
        yield running


@pytest.mark.parametrize("event", TRIGGERS)
def test_a_trigger_script_runs_through_and_its_event_arises(
    event: str, sandbox: Served, tmp_path: Path
):
    tool = os.environ["STRIPE_CLI"]
    before = {e["id"] for e in sandbox.events()}

    done = subprocess.run(
        [tool, "trigger", event, "--api-base", sandbox.url, "--api-key", "sk_test_" + "0" * 24],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]} | UNTOLD,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert event in {e["type"] for e in sandbox.events() if e["id"] not in before}
