"""`holdfast translate`: a JSON line a file, at once and without a database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.providers.stripe.translate_cli import run
from tests.providers.stripe.stripe_shapes import charge, event, invoice, thin_event


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def file(tmp_path: Path, body: bytes) -> str:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    path.write_bytes(body)
    return str(path)


def test_an_event_is_one_line(tmp_path, capsys):
    name = file(tmp_path, event("invoice.payment_failed", invoice()))

    code = run([name])

    assert code == 0
    assert lines(capsys) == [
        {
            "file": name,
            "api_version": "2026-10-28.endive",
            "known": True,
            "notices": [
                {
                    "kind": "invoice_failed",
                    "object": "in_1",
                    "customer": "cus_1",
                    "invoice": "in_1",
                    "subscription": "sub_1",
                    "amount_minor": 9500,
                    "currency": "usd",
                    "decline_kind": None,
                    "occurred_at": "2026-09-21T14:13:20Z",
                }
            ],
        }
    ]


def test_the_decline_kind_is_what_counts_in_the_end(tmp_path, capsys):
    refused = charge()
    refused["outcome"] |= {"advice_code": "do_not_try_again"}

    run([file(tmp_path, event("charge.failed", refused))])

    assert lines(capsys)[0]["notices"][0]["decline_kind"] == "never"


def test_a_thin_event_has_no_version(tmp_path, capsys):
    related = {"id": "in_1", "type": "invoice"}

    run([file(tmp_path, thin_event("v1.invoice.payment_failed", related))])

    line = lines(capsys)[0]
    assert (line["api_version"], line["known"]) == (None, True)
    assert line["notices"][0]["kind"] == "read"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"7",
        b"{}",
        b'{"id": "evt_1"}',
        b'{"id": "evt_1", "type": "invoice.paid", "created": "soon"}',
        b'"\\ud800"',
        b"[" * 3000 + b"]" * 3000,
    ],
    ids=["a list", "a number", "empty", "half", "no instant", "a lone surrogate", "deep"],
)
def test_json_that_is_no_event_is_unknown_and_says_nothing(tmp_path, capsys, body):
    name = file(tmp_path, body)

    assert run([name]) == 0
    assert lines(capsys) == [{"file": name, "api_version": None, "known": False, "notices": []}]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b'{"a": Infinity}', b"\xff"],
    ids=["empty", "half", "NaN", "inf", "?"],
)
def test_what_is_not_json_is_an_error_and_the_rest_goes_on(tmp_path, capsys, body):
    bad, good = file(tmp_path, body), file(tmp_path, event("invoice.paid", invoice()))

    code = run([bad, good])

    assert code == 1
    one, other = lines(capsys)
    assert one["file"] == bad
    assert one["error"]
    assert other["known"] is True


def test_a_file_that_is_not_there_is_an_error(tmp_path, capsys):
    assert run([str(tmp_path / "nowhere.json")]) == 1
    assert "error" in lines(capsys)[0]


def test_it_starts_without_the_sdk_and_without_a_command_line_library():
    script = (
        "import sys, app.providers.stripe.translate_cli;"
        "print([name for name in ('stripe', 'typer', 'sqlalchemy') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )

    assert done.stdout.strip() == "[]"
