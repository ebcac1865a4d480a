"""Sealed secrets: opened by every configured key, by nobody else, and never altered unnoticed."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ports.secrets import SecretUnreadable
from app.sealing import AesGcmSealer, KeyedTokens, kept_keys

OLD, NEW = "old" * 12, "new" * 12


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_what_was_sealed_opens_as_it_was(plain: str) -> None:
    sealer = AesGcmSealer([OLD])

    assert sealer.open(sealer.seal(plain)) == plain


def test_the_same_secret_sealed_twice_looks_different() -> None:
    sealer = AesGcmSealer([OLD])

    assert sealer.seal("whsec_1") != sealer.seal("whsec_1")


def test_after_a_rotation_both_keys_open_and_the_new_one_seals() -> None:
    before = AesGcmSealer([OLD]).seal("sk_live_1")
    during = AesGcmSealer([NEW, OLD])
    after = AesGcmSealer([NEW])

    assert during.open(before) == "sk_live_1"
    assert after.open(during.seal("sk_live_1")) == "sk_live_1"
    with pytest.raises(SecretUnreadable):
        after.open(before)


@given(st.data())
def test_a_damaged_seal_does_not_open(data: st.DataObject) -> None:
    sealer = AesGcmSealer([OLD])
    sealed = sealer.seal("sk_live_canary")
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != sealed[at]))

    with pytest.raises(SecretUnreadable) as failure:
        sealer.open(sealed[:at] + other + sealed[at + 1 :])

    assert "canary" not in str(failure.value)


@given(st.text())
def test_what_is_no_seal_does_not_open(text: str) -> None:
    with pytest.raises(SecretUnreadable):
        AesGcmSealer([OLD]).open(text)


def test_a_token_is_the_same_each_time_and_another_for_other_parts() -> None:
    tokens = KeyedTokens([NEW, OLD])

    assert tokens.link("pay", "case_1") == KeyedTokens([NEW]).link("pay", "case_1")
    assert len({tokens.link("ab", "c"), tokens.link("a", "bc"), tokens.link("abc")}) == 3
    assert len(tokens.link("pay", "case_1")) == 43


def test_after_a_rotation_what_the_old_key_derived_is_derived_still() -> None:
    before = KeyedTokens([OLD]).link("pay", "case_1")
    during = KeyedTokens([NEW, OLD])

    assert before in during.known("pay", "case_1")
    assert during.known("pay", "case_1")[0] == during.link("pay", "case_1") != before
    assert before not in KeyedTokens([NEW]).known("pay", "case_1")


def test_a_generated_key_is_the_owners_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret-keys"

    with ThreadPoolExecutor(8) as threads:
        answers = {tuple(keys) for keys in threads.map(lambda _: kept_keys(path), range(40))}

    assert len(answers) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in path.parent.iterdir()] == ["secret-keys"]
