"""Secrets at rest and tokens in links, both under the deployment's master keys."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.durable import draft_of, settle_names
from app.ports.secrets import SecretUnreadable

FORM = "v1"
NONCE_BYTES = 12  # what AES-GCM is specified for (NIST SP 800-38D, 8.2)


def _derived(master: str, purpose: bytes) -> bytes:
    """32 bytes of a master key for one purpose: sealing and tokens never share key material."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"holdfast " + purpose)
    return hkdf.derive(master.encode())


def _name_of(key: bytes) -> str:
    """Eight hex digits by which a sealed text names its key without revealing it."""
    return hashlib.sha256(b"name " + key).hexdigest()[:8]


class AesGcmSealer:
    """`ports.secrets.Sealer`: AES-256-GCM with a fresh random nonce for each sealed text.

    The first of `keys` seals, all open. Sealed text is `v1.<key name>.<base64 of nonce and
    ciphertext>`; form and key name are authenticated with it.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one master key is needed")
        derived = [_derived(key, b"seal") for key in keys]
        self._first = _name_of(derived[0])
        self._keys = {_name_of(key): AESGCM(key) for key in derived}

    def seal(self, plain: str) -> str:
        """Seal under the first key. The same text sealed twice looks different."""
        nonce = os.urandom(NONCE_BYTES)
        head = f"{FORM}.{self._first}"
        closed = self._keys[self._first].encrypt(nonce, plain.encode(), head.encode())
        return f"{head}.{base64.urlsafe_b64encode(nonce + closed).decode()}"

    def open(self, sealed: str) -> str:
        """Open what any of the keys sealed. Raises `SecretUnreadable`, without the text in it."""
        form, _, rest = sealed.partition(".")
        name, _, text = rest.partition(".")
        if form != FORM or name not in self._keys:
            raise SecretUnreadable("sealed under a master key that is not configured")
        try:
            raw = base64.urlsafe_b64decode(text.encode())
            if base64.urlsafe_b64encode(raw) != text.encode():  # one text for one seal
                raise SecretUnreadable("the sealed text is damaged")
            plain = self._keys[name].decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], f"{form}.{name}".encode()
            )
        except (binascii.Error, InvalidTag, ValueError) as damaged:
            raise SecretUnreadable("the sealed text is damaged") from damaged
        return plain.decode()


class KeyedTokens:
    """`ports.secrets.Tokens`: HMAC-SHA256 of the parts under a master key, new ones the first.

    256 bits, URL-safe, 43 characters. Each part is counted before it is hashed, so that
    ("ab", "c") and ("a", "bc") give different tokens.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one master key is needed")
        self._keys = [_derived(key, b"tokens") for key in keys]

    def link(self, *parts: str) -> str:
        """The token of these parts: always the same while the first master key stays."""
        return self.known(*parts)[0]

    def known(self, *parts: str) -> tuple[str, ...]:
        """The tokens of these parts under each of the keys, in their order."""
        counted = b"".join(
            len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts)
        )
        digests = (hmac.digest(key, counted, hashlib.sha256) for key in self._keys)
        return tuple(base64.urlsafe_b64encode(digest).decode().rstrip("=") for digest in digests)


def kept_keys(path: Path) -> list[str]:
    """The master keys of a file, comma-separated; one is made where there is no file yet.

    Readable by its owner alone. Several processes may ask at once: one key wins for all. Whoever
    loses the file must enter the provider secrets anew; of one that holds nothing there are none.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = draft_of(path, secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # another process was first: its key counts
            path.hardlink_to(draft)
        draft.unlink()
        settle_names(path.parent)  # before anything is sealed under it
    return [key for key in path.read_text().strip().split(",") if key]
