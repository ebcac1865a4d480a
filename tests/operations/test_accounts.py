"""`holdfast accounts` and `holdfast keys`, as an operator types them."""

import pytest

from app.operations import accounts, keys
from tests.operations.conftest import Command
from tests.sandbox.stand import Served

ADD = ("add", "--merchant", "Kelp & Co", "--mode", "drive", "--time-zone", "Europe/Berlin")


def test_a_deployment_begins_without_accounts(says: Command) -> None:
    assert accounts.only_to_try()


def test_who_has_only_tried_it_out_goes_on_with_the_sandbox(says: Command) -> None:
    tried = (*ADD, "--api-base", "http://127.0.0.1:8210")

    status, _ = says(accounts.run, *tried, typed="sk_test_1\n\n")

    assert (status, accounts.only_to_try()) == (0, True)


def test_an_account_is_added_with_its_secrets_from_standard_input(says: Command) -> None:
    status, printed = says(accounts.run, *ADD, typed="sk_live_canary1\nwhsec_canary2\n")
    _, listed = says(accounts.run, "list")

    assert (status, accounts.only_to_try()) == (0, False)
    assert "webhooks  http://127.0.0.1:8200/webhooks/stripe/acc_" in printed
    assert "Kelp & Co" in listed
    assert "stripe live  drive  ready" in listed
    assert "canary" not in printed + listed


def test_a_second_account_of_a_known_merchant_makes_no_second_merchant(says: Command) -> None:
    _, first = says(accounts.run, *ADD, typed="sk_test_1\n\n")
    _, second = says(accounts.run, *ADD, typed="sk_test_2\n\n")

    assert first.splitlines()[0] == second.splitlines()[0]


@pytest.mark.parametrize(
    ("first", "other"), [("sk_live_1", "sk_test_2"), ("sk_test_1", "rk_live_2")]
)
def test_test_and_live_accounts_of_one_merchant_are_refused(
    says: Command, first: str, other: str
) -> None:
    says(accounts.run, *ADD, typed=f"{first}\n\n")

    status, told = says(accounts.run, *ADD, typed=f"{other}\n\n")
    apart, _ = says(accounts.run, "add", "--merchant", "Kelp again", typed=f"{other}\n\n")
    _, listed = says(accounts.run, "list")

    assert (status, apart) == (2, 0)
    assert "a merchant of another name (--merchant)" in told
    assert listed.count("acc_") == 2


@pytest.mark.parametrize(
    ("arguments", "typed", "told"),
    [
        pytest.param(ADD, "", "API key of the provider account is needed", id="no key"),
        pytest.param(ADD, "pk_live_1\n", "an API key begins with", id="public key"),
        pytest.param((*ADD[:5], "--time-zone", "Mars"), "sk_test_1\n", "'Mars'", id="no zone"),
        pytest.param(("pause", "acc_9", "--reason", "x"), "", "no provider account", id="none"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_on(
    says: Command, arguments: tuple[str, ...], typed: str, told: str
) -> None:
    status, printed = says(accounts.run, *arguments, typed=typed)

    assert status == 2
    assert told in printed


def test_secrets_are_never_arguments(says: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        says(accounts.run, *ADD, "--api-key", "sk_live_1")


def test_an_account_is_paused_and_resumed(says: Command) -> None:
    says(accounts.run, *ADD, typed="sk_test_1\nwhsec_1\n")

    says(accounts.run, "pause", "--reason", "fraud at the bank")
    _, paused = says(accounts.run, "list")
    says(accounts.run, "resume")
    _, resumed = says(accounts.run, "list")

    assert "paused: fraud at the bank" in paused
    assert "paused" not in resumed


def test_without_a_database_the_command_says_so(
    says: Command, deployment: pytest.MonkeyPatch
) -> None:
    deployment.setenv("DATABASE_URL", "postgresql://x:canary@127.0.0.1:1/x")

    status, printed = says(accounts.run, "list")

    assert status == 2
    assert "the database does not answer" in printed
    assert "canary" not in printed


def test_a_key_is_made_listed_and_revoked(says: Command) -> None:
    says(accounts.run, *ADD, typed="sk_test_1\n\n")

    making = ("create", "--name", "books", "--scope", "finance:read", "--days", "30")
    status, made = says(keys.run, *making)
    key_id, secret = (made.splitlines()[n].split()[1] for n in (0, 1))
    _, listed = says(keys.run, "list")
    says(keys.run, "revoke", key_id)
    _, after = says(keys.run, "list")

    assert status == 0
    assert secret.startswith("hf_test_")
    assert "finance:read  valid  never" in listed
    assert "revoked" in after
    assert secret not in listed + after


def test_a_key_for_tests_is_never_one_of_live_accounts(says: Command) -> None:
    says(accounts.run, *ADD, typed="sk_live_1\n\n")
    making = ("create", "--name", "books", "--scope", "finance:read")

    _, made = says(keys.run, *making)
    status, told = says(keys.run, *making, "--test")

    assert made.splitlines()[1].split()[1].startswith("hf_live_")
    assert (status, "has live accounts: leave out --test" in told) == (2, True)


def test_an_unknown_key_cannot_be_revoked(says: Command) -> None:
    says(accounts.run, *ADD, typed="sk_test_1\n\n")

    status, printed = says(keys.run, "revoke", "key_1")

    assert (status, "has no key key_1" in printed) == (2, True)


# The SDK hands its forms to httpx by an older name.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_new_key_is_tried_before_the_former_goes(
    says: Command, provider: Served, account_id: str
) -> None:
    says(accounts.run, "pause", "--reason", "an audit")

    wrong, told = says(accounts.run, "key", typed="sk_live_other\n")
    status, printed = says(accounts.run, "key", account_id, typed="sk_test_sandbox_2\n")

    assert (wrong, status) == (2, 0)
    assert "of the other mode" in told
    assert "stays paused: an audit" in printed
    assert "sk_" not in printed


def test_where_nothing_is_held_nothing_is_released(says: Command, account_id: str) -> None:
    status, printed = says(accounts.run, "release")

    assert status == 0
    assert printed.startswith("0 cases")


def test_where_nothing_is_parked_nothing_is_tried_anew(says: Command, account_id: str) -> None:
    assert says(accounts.run, "again") == (0, "0 parked actions are tried anew\n")


def test_letters_are_withheld_only_while_nothing_is_sent(says: Command) -> None:
    says(accounts.run, *ADD, typed="sk_test_1\n\n")

    working, refused = says(accounts.run, "withhold")
    says(accounts.run, "pause", "--reason", "restored")
    resting, told = says(accounts.run, "withhold")

    assert (working, resting) == (2, 0)
    assert "`holdfast accounts pause` first" in refused
    assert told.startswith("0 letters")
