"""Requests leave once, to the address that was looked at, and to nothing inside."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.outgoing.sender import GuardedSender
from tests.outgoing.receiver import HUNG_UP, Receiver, answer, open_receiver
from tests.storage.builders import NOW

pytestmark = pytest.mark.anyio
NAME = "hooks.kelp.example"
HERE = "127.0.0.1"


class Names:
    """A name server that gives one answer after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise OSError("no such name")
        return found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


@pytest.fixture
async def local() -> AsyncIterator[GuardedSender]:
    """As the demo has it: this machine is allowed."""
    sender = GuardedSender(local=True)
    yield sender
    await sender.close()


@pytest.fixture
async def hasty() -> AsyncIterator[GuardedSender]:
    sender = GuardedSender(local=True, patience_s=0.5)
    yield sender
    await sender.close()


async def test_a_request_arrives_as_it_was_signed(local: GuardedSender, receiver: Receiver) -> None:
    response = await local.post(receiver.url, b'{"a":1}', {"webhook-id": "evt_1"})

    (got,) = receiver.got
    assert (response.status, response.text, response.is_taken) == (200, "thanks", True)
    assert got.head == "POST /hooks?token=1 HTTP/1.1"
    assert got.body == b'{"a":1}'
    assert (got.headers["host"], got.headers["webhook-id"]) == (
        f"localhost:{receiver.port}",
        "evt_1",
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(
    local: GuardedSender, receiver: Receiver, status: int
) -> None:
    receiver.always = answer(status, location=receiver.url)

    response = await local.post(receiver.url, b"{}", {})

    assert (response.status, response.is_taken, len(receiver.got)) == (status, False, 1)


async def test_of_a_long_answer_only_the_beginning_is_read(
    local: GuardedSender, receiver: Receiver
) -> None:
    receiver.always = answer(500, "x" * 1_000_000)

    response = await local.post(receiver.url, b"{}", {})

    assert response.text == "x" * 1024


async def test_an_answer_is_kept_as_text_that_a_database_can_hold(
    local: GuardedSender, receiver: Receiver
) -> None:
    receiver.always = b"HTTP/1.1 500 No\r\ncontent-length: 6\r\n\r\n\x00\xff\x1b[0m"

    response = await local.post(receiver.url, b"{}", {})

    assert response.text == " \N{REPLACEMENT CHARACTER} [0m"


async def test_a_packed_answer_is_not_unpacked(local: GuardedSender, receiver: Receiver) -> None:
    receiver.always = answer(200, "no gzip", content_encoding="gzip")

    response = await local.post(receiver.url, b"{}", {})

    assert (response.status, response.text) == (200, "no gzip")


@pytest.mark.parametrize(
    ("asked", "read"),
    [("120", 120.0), ("0", 0.0), ("-5", None), ("1e9", None), ("soon", None), ("²", None)],
)
async def test_what_is_asked_for_before_the_next_try_is_read(
    local: GuardedSender, receiver: Receiver, asked: str, read: float | None
) -> None:
    receiver.always = answer(503, retry_after=asked)

    response = await local.post(receiver.url, b"{}", {})

    assert response.retry_after_s == read


@pytest.mark.parametrize("garbage", [HUNG_UP, b"SSH-2.0\r\n\r\n", b"HTTP/1.1 99999 \r\n\r\n"])
async def test_what_is_no_answer_is_none(
    local: GuardedSender, receiver: Receiver, garbage: bytes
) -> None:
    receiver.always = garbage

    response = await local.post(receiver.url, b"{}", {})

    assert response.status is None
    assert response.text.startswith("no answer")
    assert len(receiver.got) == 1


async def test_nobody_is_waited_for_longer_than_the_patience(
    hasty: GuardedSender, receiver: Receiver
) -> None:
    receiver.slow = True

    response = await hasty.post(receiver.url, b"{}", {})

    assert (response.status, response.text) == (None, "no answer within 0.5 s")
    assert 400 <= response.ms < 5000


async def test_a_closed_port_is_no_answer(local: GuardedSender) -> None:
    response = await local.post("http://127.0.0.1:1/", b"{}", {})

    assert (response.status, response.text) == (None, "no answer: ConnectError")


@pytest.mark.parametrize(
    "inside",
    [
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["100.100.100.200"],
        ["::1"],
        ["::ffff:8.8.8.8"],
        ["64:ff9b::808:808"],
        ["fe80::1%eth0"],
        ["0.1.2.3"],
        ["224.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["2606:4700::1", "fd00::1"],
        ["not an address"],
        [],
    ],
    ids=" and ".join,
)
async def test_a_name_that_leads_inside_is_not_reached(inside: Sequence[str]) -> None:
    sender = GuardedSender(resolve=Names(inside))

    response = await sender.post(f"https://{NAME}/", b"{}", {})

    assert response.status is None
    assert response.text.startswith("refused: the name")


@pytest.mark.parametrize(
    "url", ["http://localhost/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/"]
)
async def test_this_machine_is_reached_only_where_it_is_allowed(url: str) -> None:
    response = await GuardedSender().post(url, b"{}", {})

    assert response.text.startswith("refused: the URL must")


async def test_localhost_may_not_lead_elsewhere() -> None:
    sender = GuardedSender(local=True, resolve=Names(["10.0.0.1"]))

    response = await sender.post("http://localhost/", b"{}", {})

    assert response.text == "refused: the name leads to an address that is not public"


async def test_a_name_is_asked_once_and_its_address_is_the_one_connected_to(
    tmp_path: Path,
) -> None:
    # given a name that leads here when it is first asked, and elsewhere from then on
    server_side, trusted = certificates(tmp_path, NAME)
    names = Names([HERE], ["192.0.2.1"])
    async with open_receiver(server_side) as receiver:
        sender = GuardedSender(resolve=names, permits=HERE.__eq__, trust=trusted)

        response = await sender.post(f"https://{NAME}:{receiver.port}/x", b"{}", {})
        await sender.close()

    # then that one was used, and the name itself stood in the header and was checked
    assert (response.status, names.asked) == (200, 1)
    assert receiver.got[0].headers["host"] == f"{NAME}:{receiver.port}"


async def test_a_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    server_side, trusted = certificates(tmp_path, "other.kelp.example")
    async with open_receiver(server_side) as receiver:
        sender = GuardedSender(resolve=Names([HERE]), permits=HERE.__eq__, trust=trusted)

        response = await sender.post(f"https://{NAME}:{receiver.port}/", b"{}", {})
        await sender.close()

    assert response.text == "no answer: ConnectError"
    assert receiver.got == []


async def test_where_one_address_does_not_listen_the_next_is_tried(tmp_path: Path) -> None:
    server_side, trusted = certificates(tmp_path, NAME)
    async with open_receiver(server_side) as receiver:
        sender = GuardedSender(
            resolve=Names(["127.0.0.9", HERE]),
            permits=lambda address: address.startswith("127."),
            trust=trusted,
        )

        response = await sender.post(f"https://{NAME}:{receiver.port}/", b"{}", {})
        await sender.close()

    assert (response.status, len(receiver.got)) == (200, 1)


async def test_no_proxy_of_the_environment_gets_in_between(
    local: GuardedSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    response = await local.post(receiver.url, b"{}", {})

    assert response.status == 200


async def test_two_requests_are_two_connections(local: GuardedSender, receiver: Receiver) -> None:
    responses = await asyncio.gather(*(local.post(receiver.url, b"{}", {}) for _ in range(3)))
    responses.append(await local.post(receiver.url, b"{}", {}))

    assert [response.status for response in responses] == [200] * 4


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a certificate for this name, and a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=3650))
        .not_valid_after(NOW + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server_side, ssl.create_default_context(cafile=str(folder / "cert.pem"))
