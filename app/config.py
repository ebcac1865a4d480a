"""Every setting of a deployment, read from the environment. Nothing else reads the environment."""

from enum import StrEnum
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# A shorter master key could be guessed; `openssl rand -base64 32` gives 44 characters.
SHORTEST_KEY = 32


class Environment(StrEnum):
    """What a deployment is for. Only `PRODUCTION` insists on secrets from outside."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    DEMO = "demo"


PAGE = """# Settings

Read from the environment by `app/config.py`, and by nothing else. This page is made from it:
`python -m app.config`. Empty means not set. `holdfast doctor` says what is missing or wrong.

{rows}
"""


def _named(name: str) -> AliasChoices:
    """A setting that goes by the name every hosting platform uses."""
    return AliasChoices(name, f"HOLDFAST_{name}")


def _is_this_machine(url: str) -> bool:
    """Whether nobody but this machine can be meant: links and webhooks would cross a network in
    the clear otherwise."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """The settings. Prefix `HOLDFAST_`, except for three names that hosting platforms share.

    Raises pydantic's `ValidationError` for a value that cannot be meant, naming the setting.
    """

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    environment: Environment = Environment.DEVELOPMENT
    """`production`, `development` or `demo`. In production no secret has a default."""

    database_url: str | None = Field(
        default=None, validation_alias=_named("DATABASE_URL"), repr=False
    )
    """PostgreSQL 15 or newer, `postgresql://user:password@host:port/name`. Without it
    `holdfast up` starts its own PostgreSQL."""

    redis_url: str | None = Field(default=None, validation_alias=_named("REDIS_URL"), repr=False)
    """Redis or Valkey, `redis://…`. Without it `holdfast up` starts its own Valkey. May be lost
    at any moment: work is then later, never lost."""

    smtp_url: str | None = Field(default=None, validation_alias=_named("SMTP_URL"), repr=False)
    """The server that takes mail: `smtp://`, `smtps://` or `smtp+starttls://`, with
    `user:password@` where it asks for them."""

    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Master keys under which provider keys and webhook secrets are sealed, separated by commas,
    at least 32 characters each. The first seals, all open; to rotate, put a new one in front.
    Outside production a file `secret-keys` in the state folder is made and used instead."""

    public_url: str = "http://127.0.0.1:8200"
    """Where customers and the provider reach this service: links in mail and the webhook
    endpoint begin with it. Must be `https://`; `http://` only outside production and only for
    this machine (`localhost`, `127.0.0.1`)."""

    trusted_proxies: str = "127.0.0.1"
    """Addresses and networks of the proxies in front, separated by commas: theirs is the word in
    `X-Forwarded-For` for where a request comes from, which the pace of the public forms counts by.
    A proxy on another host that is missing here makes one sender of everybody. `*` believes
    whoever connects: only where nobody but the proxy can."""

    state_dir: Path = Path(".holdfast")
    """Folder of the embedded engines, of the generated master key and of the demo's clock."""

    clock_file: Path | None = None
    """Stepped clock: a file that holds the present instant (ISO 8601, UTC). For the demo and for
    tests only; refused in production."""

    mailbox_dir: Path | None = None
    """Mail goes into this folder instead of to a server, and `/demo/mailbox` shows it. For the
    demo and for tests only; refused in production."""

    export_dir: Path | None = None
    """Folder for the nightly files of finance, one for each merchant and day. Without it none are
    written."""

    export_parquet: bool = False
    """Nightly files as Parquet as well. Needs the optional part `holdfast[parquet]`."""

    events_to_localhost: bool = False
    """Event endpoints may also be on this machine, over http. For the demo and for tests only;
    refused in production."""

    policy_file: Path | None = None
    """The policy document new cases begin with. Without it the shipped `policies/default.yaml`."""

    webhook_body_limit: int = Field(default=1024 * 1024, ge=1024)
    """Largest webhook body taken, in bytes, counted while it streams in. More is answered 413."""

    body_limit: int = Field(default=64 * 1024, ge=1024)
    """Largest body taken by every other route, in bytes, counted while it streams in."""

    intake_queue: int = Field(default=4096, ge=1)
    """Webhooks that may wait in one api process for their commit. More are answered 503 with
    `Retry-After`, and the provider sends them again."""

    database_connections: int = Field(default=10, ge=2, le=200)
    """Connections one process keeps to PostgreSQL, once it has had load twice as many; in an api
    process two more for the webhook intake."""

    lease_s: float = Field(default=60.0, gt=0)
    """Seconds for which a worker holds a claimed action before another may claim it."""

    sweep_s: float = Field(default=5.0, gt=0)
    """Seconds between two looks of a worker at what wake-ups may have missed."""

    worker_slots: int = Field(default=48, ge=1, le=500)
    """Actions one worker carries out at the same time, each of another customer, and three
    quarters of them of one account at most. A charge takes Stripe a second or two, so that fewer
    would not reach its rate."""

    stripe_requests_per_s: float = Field(default=80.0, gt=0)
    """Requests one process sends to one Stripe account in a second at most. Stripe's limit is 100
    for all who use the account, 25 in its sandboxes; at a 429 it goes slower."""

    stripe_endpoint_requests_per_s: float = Field(default=20.0, gt=0)
    """The same for one endpoint, of which the charge is one. Stripe's limit is 25, unless it has
    raised it for the account."""

    drains: int = Field(default=0, ge=0, le=64)
    """Processes of one worker that drain the inbox. 0: one for each core, at most four."""

    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """Least severity that is logged: `debug`, `info`, `warning` or `error`."""

    log_format: str = Field(default="json", pattern="^(json|console)$")
    """`json` for machines, `console` for people. Both are redacted alike."""

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, given: object) -> object:
        if isinstance(given, str):
            return tuple(key.strip() for key in given.split(",") if key.strip())
        return given

    @field_validator("secret_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < SHORTEST_KEY for key in keys):
            raise ValueError(f"each key needs at least {SHORTEST_KEY} characters")
        return keys

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, given: str) -> str:
        named = [part.strip() for part in given.split(",")]
        for part in named if named != ["*"] else ():
            try:
                ip_network(part)
            except ValueError:
                raise ValueError("must be addresses and networks, or * alone") from None
        return ",".join(named)

    @field_validator("export_parquet")
    @classmethod
    def _can_be_written(cls, wanted: bool) -> bool:
        if wanted and find_spec("pyarrow") is None:
            raise ValueError("needs the optional part: pip install 'holdfast[parquet]'")
        return wanted

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// (or http:// outside production)")
        if url.startswith("http://") and not _is_this_machine(url):
            raise ValueError(
                "http:// is for this machine alone: set HOLDFAST_PUBLIC_URL to the https:// "
                "address under which customers and the provider reach this service"
            )
        return url.rstrip("/")

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        faults = [
            text
            for wrong, text in (
                (not self.database_url, "DATABASE_URL is missing"),
                (not self.secret_keys, "HOLDFAST_SECRET_KEYS is missing"),
                (self.public_url.startswith("http://"), "HOLDFAST_PUBLIC_URL must be https"),
                (self.clock_file is not None, "HOLDFAST_CLOCK_FILE is not for production"),
                (self.mailbox_dir is not None, "HOLDFAST_MAILBOX_DIR is not for production"),
                (self.events_to_localhost, "HOLDFAST_EVENTS_TO_LOCALHOST is not for production"),
            )
            if wrong
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def faults_of(error: ValidationError) -> list[tuple[str, str]]:
    """What cannot be meant: the setting (or `settings`) and why, without the value."""
    return [
        (".".join(map(str, fault["loc"])) or "settings", fault["msg"].removeprefix("Value error, "))
        for fault in error.errors()
    ]


def page() -> str:
    """docs/settings.md: every setting with its default and its meaning."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        shown = alias.choices[0] if isinstance(alias, AliasChoices) else f"HOLDFAST_{name.upper()}"
        default = field.default if field.default not in (None, ()) else ""
        meaning = " ".join((field.description or "").split())
        rows.append(f"| `{shown}` | {f'`{default}`' if default != '' else ''} | {meaning} |")
    return PAGE.format(rows="\n".join(rows))


if __name__ == "__main__":
    Path("docs/settings.md").write_text(page(), encoding="utf-8")
