"""Settings: read from the environment, refused with the setting's name, written down."""

from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import ValidationError
from typer.testing import CliRunner
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.commands import app
from app.config import Settings, faults_of, page

KEY = "k" * 32
PRODUCTION = {
    "HOLDFAST_ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://db/holdfast",
    "HOLDFAST_SECRET_KEYS": KEY,
    "HOLDFAST_PUBLIC_URL": "https://pay.example.com/",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HOLDFAST_{name.upper()}", raising=False)
    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_page_of_settings_is_true() -> None:
    assert Path("docs/settings.md").read_text() == page(), "run: python -m app.config"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_nothing_needs_to_be_set_for_development(environment: pytest.MonkeyPatch) -> None:
    assert Settings().environment == "development"


def test_production_starts_with_what_it_needs(environment: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        environment.setenv(name, value)

    settings = Settings()

    assert [key.get_secret_value() for key in settings.secret_keys] == [KEY]
    assert settings.public_url == "https://pay.example.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("HOLDFAST_SECRET_KEYS", ""),
        ("HOLDFAST_SECRET_KEYS", "short"),
        ("HOLDFAST_SECRET_KEYS", f"{KEY},short"),
        ("HOLDFAST_PUBLIC_URL", "http://pay.example.com"),
        ("HOLDFAST_PUBLIC_URL", "javascript:alert(1)"),
        ("HOLDFAST_CLOCK_FILE", "clock"),
        ("HOLDFAST_MAILBOX_DIR", "mailbox"),
        ("HOLDFAST_EVENTS_TO_LOCALHOST", "true"),
    ],
)
def test_production_does_not_start_without_secrets_or_with_a_demo_inside(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for known, good in PRODUCTION.items():
        environment.setenv(known, good)
    environment.setenv(name, value)

    with pytest.raises(ValidationError) as refusal:
        Settings()

    assert name.removeprefix("HOLDFAST_").lower() in str(refusal.value).lower()
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8200", "http://127.0.0.1", "http://[::1]:8200/", "http://kelp.localhost"],
)
def test_this_machine_may_be_reached_in_the_clear(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("HOLDFAST_PUBLIC_URL", url)

    assert Settings().public_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.example.com",
        "http://10.0.0.7:8200",
        "http://0.0.0.0:8200",
        "http://localhost.example.com",
        "http://localhost@pay.example.com",
        "http://[::1",
        "http://",
    ],
)
def test_any_other_address_in_the_clear_is_refused_with_what_to_set(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("HOLDFAST_PUBLIC_URL", url)

    where, why = fault_of_settings()

    assert where == "public_url"
    assert "set HOLDFAST_PUBLIC_URL to the https:// address" in why


def test_the_service_does_not_start_with_such_an_address(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("HOLDFAST_PUBLIC_URL", "http://pay.example.com")

    ends = [CliRunner().invoke(app, [command]) for command in ("api", "worker", "up")]

    assert [end.exit_code for end in ends] == [2, 2, 2]
    assert all("set HOLDFAST_PUBLIC_URL to the https:// address" in end.output for end in ends)


def fault_of_settings() -> tuple[str, str]:
    """Which setting is refused, and what to do about it."""
    with pytest.raises(ValidationError) as refused:
        Settings()
    ((where, why),) = faults_of(refused.value)
    return where, why


def served_with(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the api's server is started with."""
    started: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda _, **told: started.update(told))
    ended = CliRunner().invoke(app, ["api"])
    assert ended.exit_code == 0, ended.output
    return started


async def sender_told_by(proxy: str, believed: str) -> str:
    """Where a request comes from, of which this proxy says that it comes from 198.51.100.7."""
    seen: list[str] = []

    async def note(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    told = {"headers": [(b"x-forwarded-for", b"198.51.100.7")], "client": (proxy, 4711)}
    doors: Any = ProxyHeadersMiddleware(note, believed)
    await doors({"type": "http", **told}, None, None)
    return seen[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("named", "proxy", "sender"),
    [
        ("", "127.0.0.1", "198.51.100.7"),
        ("", "10.0.0.7", "10.0.0.7"),
        ("127.0.0.1, 10.0.0.0/8", "10.0.0.7", "198.51.100.7"),
        ("10.0.0.7", "10.0.0.8", "10.0.0.8"),
        ("*", "10.0.0.8", "198.51.100.7"),
    ],
)
async def test_a_proxy_is_believed_where_the_settings_name_it(
    environment: pytest.MonkeyPatch, named: str, proxy: str, sender: str
) -> None:
    environment.setenv("HOLDFAST_TRUSTED_PROXIES", named)

    believed = served_with(environment)["forwarded_allow_ips"]

    assert await sender_told_by(proxy, believed) == sender


@pytest.mark.parametrize("named", ["proxy.example", "10.0.0.7/8", "10.0.0.7,*", "10.0.0.7,,"])
def test_what_is_no_address_of_a_proxy_is_refused(
    environment: pytest.MonkeyPatch, named: str
) -> None:
    environment.setenv("HOLDFAST_TRUSTED_PROXIES", named)

    assert fault_of_settings() == ("trusted_proxies", "must be addresses and networks, or * alone")


def test_settings_do_not_show_their_secrets(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql://me:canary@db/x")
    environment.setenv("HOLDFAST_SECRET_KEYS", "canary" * 6)

    assert "canary" not in repr(Settings())
