"""The bill of what this software is made of."""

import json

import pytest

from app.operations import sbom
from tests.house.sources import ROOT

LOCK = ROOT / "requirements.lock"


def test_every_package_of_the_lock_is_on_the_bill_with_its_hashes() -> None:
    text = LOCK.read_text()
    components = sbom.bill(text)["components"]
    packages = [line for line in text.splitlines() if "==" in line]

    assert len(components) == len(packages)
    assert sum(len(one["externalReferences"]) for one in components) == text.count("--hash=")
    assert len({one["purl"] for one in components}) == len(components)


def test_the_command_writes_json_and_says_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = sbom.run([str(LOCK)])
    bill = json.loads(capsys.readouterr().out)
    missing = sbom.run(["no.lock"])

    assert (written, missing) == (0, 2)
    assert bill["bomFormat"] == "CycloneDX"
