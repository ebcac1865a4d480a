"""The only place where ports meet adapters, and the only one that asks the machine what time it is.

`build_world` for workers and commands, `build_service` for the api.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import yaml
from pydantic import ValidationError

from app.config import Environment, Settings, faults_of
from app.domain.documents import Fault
from app.domain.messages import Letter, Look, Rendered, Wording
from app.domain.policies import Policy
from app.domain.policy_documents import InvalidPolicy, policy_from
from app.logs import configure_logging
from app.mail.mailbox import MailboxMailer
from app.mail.render import TemplateRenderer
from app.mail.reports import ProviderReports
from app.mail.smtp import SmtpMailer
from app.outgoing.sender import GuardedSender
from app.ports.clock import Clock
from app.ports.exports import Shelf
from app.ports.figures import Figures
from app.ports.mailer import MailDeferred, Mailer
from app.ports.reporting import Reporting
from app.ports.rollups import Rollups
from app.ports.store import IntakeWriter
from app.ports.wake import Wake
from app.ports.world import World
from app.providers.stripe.admin import StripeAdmin
from app.providers.stripe.client import StripePayments
from app.providers.stripe.pacing import Limits
from app.providers.stripe.webhooks import StripeWebhooks
from app.resources import resource
from app.sealing import AesGcmSealer, KeyedTokens, kept_keys
from app.storage.agreeing import Agreement
from app.storage.exports import FolderShelf
from app.storage.intake import BatchedIntake
from app.storage.invariants.asking import PostgresInvariants
from app.storage.reporting import PostgresReporting
from app.storage.reports.figures import PostgresFigures
from app.storage.rollups import PostgresRollups
from app.storage.store import PostgresStore, create_engine
from app.wake import RedisWake

__all__ = [
    "BadSettings",
    "Environment",
    "NotConfigured",
    "Service",
    "Settings",
    "build_admin",
    "build_rollups",
    "build_service",
    "build_world",
    "clock_of",
    "configure_logging",
    "load_settings",
    "master_keys",
    "refusal",
]


class NotConfigured(Exception):
    """A setting is missing that this process cannot do without; says which."""


class BadSettings(NotConfigured):
    """Settings that cannot be meant; `faults` are setting and reason of each."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {why}" for where, why in faults))
        self.faults = faults


def load_settings() -> Settings:
    """The settings of this process, for rooms that may not know where they come from. Raises
    `BadSettings`."""
    try:
        return Settings()
    except ValidationError as error:
        raise BadSettings(faults_of(error)) from error


def refusal() -> str | None:
    """Why no process may start with these settings, or None where one may."""
    try:
        settings = load_settings()
        if _keys_file(settings).exists():
            master_keys(settings)
    except NotConfigured as bad:
        return str(bad)
    return None


class SystemClock:
    """`ports.clock.Clock` of production: the machine's."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)


class FileClock:
    """`ports.clock.Clock` that is stepped: the instant stands in a small file.

    The demo's driver replaces the file as a whole (rename), so a reader never sees half of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The instant in the file, aware UTC. Raises `OSError` where there is no file."""
        return datetime.fromisoformat(self._path.read_text().strip()).astimezone(UTC)


class LazyRenderer:
    """`ports.mailer.Renderer` whose templates are compiled when the first letter is due: the api
    and most commands never write one, and start a third of a second sooner."""

    @cached_property
    def _templates(self) -> TemplateRenderer:
        return TemplateRenderer(resource("email_templates"))

    def render(self, letter: Letter) -> Rendered:
        """As the templates say. Raises `TemplateFault`."""
        return self._templates.render(letter)

    def sample(self, template: str, language: str, wording: Wording | None, look: Look) -> Rendered:
        """With made-up facts. Raises `TemplateFault`."""
        return self._templates.sample(template, language, wording, look)

    def require_good(self, template: str, language: str, wording: Wording) -> None:
        """Try a wording. Raises `BadWording`."""
        self._templates.require_good(template, language, wording)

    def short(self, letter: Letter) -> str:
        """The short form. Raises `TemplateFault`."""
        return self._templates.short(letter)


class NoMailer:
    """`ports.mailer.Mailer` where no way out is configured: mail waits until there is one."""

    async def send(self, mail: object) -> None:
        """Nothing leaves. Raises `MailDeferred`."""
        raise MailDeferred("neither SMTP_URL nor HOLDFAST_MAILBOX_DIR is set")


class NoWake:
    """`ports.wake.Wake` without Redis: workers find the work at their next sweep."""

    async def now(self) -> None:
        """Nobody is told."""


def clock_of(settings: Settings) -> Clock:
    """The machine's clock, or the stepped one where a file is named."""
    return FileClock(settings.clock_file) if settings.clock_file else SystemClock()


def master_keys(settings: Settings) -> list[str]:
    """The master keys, first the one that seals; outside production a generated one. Raises
    `NotConfigured` where the file for it is empty: another key would open nothing."""
    if settings.secret_keys:
        return [key.get_secret_value() for key in settings.secret_keys]
    keys = kept_keys(_keys_file(settings))
    if not keys:
        raise NotConfigured(
            f"{_keys_file(settings)} is empty, and what is sealed opens with no other key: put a "
            "copy of the file in its place, or remove it and enter the provider secrets anew"
        )
    return keys


def _keys_file(settings: Settings) -> Path:
    return settings.state_dir / "secret-keys"


def database_url(settings: Settings) -> str:
    """The database's URL. Raises `NotConfigured`."""
    if not settings.database_url:
        raise NotConfigured("DATABASE_URL is not set (`holdfast up` brings a PostgreSQL along)")
    return settings.database_url


@asynccontextmanager
async def build_world(settings: Settings) -> AsyncIterator[World]:
    """The world of one process; closes its connections when the block ends.

    Opens none before it is used: a database or Redis that is down now delays nothing here.
    Raises `NotConfigured`.
    """
    async with AsyncExitStack() as closing:
        yield _rooms(settings, closing)[0]


@asynccontextmanager
async def build_rollups(settings: Settings) -> AsyncIterator[Rollups]:
    """The rollups of one process, over two connections of their own: folding a long day must not
    keep anything else waiting. Raises `NotConfigured`."""
    engine = create_engine(database_url(settings), pool_size=1)
    try:
        yield PostgresRollups(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def build_figures(settings: Settings) -> AsyncIterator[Figures]:
    """Finance's figures for nightly files, over a connection of their own. Raises
    `NotConfigured`."""
    engine = create_engine(database_url(settings), pool_size=1)
    try:
        yield PostgresFigures(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def build_reporting(settings: Settings) -> AsyncIterator[Reporting]:
    """Who may use the reporting views, over a connection of its own. Raises `NotConfigured`."""
    engine = create_engine(database_url(settings), pool_size=1)
    try:
        yield PostgresReporting(engine)
    finally:
        await engine.dispose()


def exports_in(folder: Path) -> Shelf:
    """Export files in a folder."""
    return FolderShelf(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What an api process works with: the world, the webhooks' writer and finance's figures."""

    world: World
    intake: IntakeWriter
    figures: Figures


@asynccontextmanager
async def build_service(settings: Settings) -> AsyncIterator[Service]:
    """Like `build_world`, for the api. When the block ends the writer takes nothing more and
    drains what waits before the connections close."""
    async with AsyncExitStack() as closing:
        world, figures = _rooms(settings, closing)
        if settings.clock_file is not None:
            # the stepped clock's driver wakes once an instant's webhooks are all in
            world = replace(world, wake=NoWake())
        intake = BatchedIntake(database_url(settings), rows=settings.intake_queue)
        await intake.start()
        closing.push_async_callback(intake.close)
        yield Service(world=world, intake=intake, figures=figures)


@asynccontextmanager
async def build_admin(world: World) -> AsyncIterator[StripeAdmin]:
    """What `connect` and `doctor` ask of the provider, beyond the port of daily work."""
    admin = StripeAdmin(world.sealer)
    try:
        yield admin
    finally:
        await admin.close()


def _rooms(settings: Settings, closing: AsyncExitStack) -> tuple[World, Figures]:
    clock = clock_of(settings)
    keys = master_keys(settings)
    sealer = AesGcmSealer(keys)
    engine = create_engine(database_url(settings), pool_size=settings.database_connections)
    closing.push_async_callback(engine.dispose)
    payments = StripePayments(sealer, clock, limits=_limits(settings))
    closing.push_async_callback(payments.close)
    outgoing = GuardedSender(local=settings.events_to_localhost)
    closing.push_async_callback(outgoing.close)
    world = World(
        store=PostgresStore(engine, agreement=None if settings.clock_file else Agreement()),
        invariants=PostgresInvariants(engine),
        clock=clock,
        payments=payments,
        webhooks=StripeWebhooks(),
        mailer=_mailer(settings, clock),
        renderer=LazyRenderer(),
        outgoing=outgoing,
        mail_reports=ProviderReports(),
        sealer=sealer,
        tokens=KeyedTokens(keys),
        wake=_wake(settings, closing),
        policy=default_policy(settings),
        public_url=settings.public_url,
    )
    return world, PostgresFigures(engine)


def _limits(settings: Settings) -> Limits | None:
    """Nobody waits on a stepped clock: the sandbox beside it takes what it is given."""
    if settings.clock_file is not None:
        return None
    return Limits(
        whole=settings.stripe_requests_per_s, endpoint=settings.stripe_endpoint_requests_per_s
    )


def _mailer(settings: Settings, clock: Clock) -> Mailer:
    if settings.mailbox_dir:
        return MailboxMailer(settings.mailbox_dir, clock=clock)
    return SmtpMailer(settings.smtp_url, clock=clock) if settings.smtp_url else NoMailer()


def _wake(settings: Settings, closing: AsyncExitStack) -> Wake:
    if not settings.redis_url:
        return NoWake()
    wake = RedisWake(settings.redis_url)
    closing.push_async_callback(wake.close)
    return wake


def default_policy(settings: Settings) -> Policy:
    """The policy new cases begin with. Raises `InvalidPolicy`, and `OSError` without the file."""
    path = settings.policy_file or resource("policies") / "default.yaml"
    document = yaml.safe_load(path.read_text())
    if not isinstance(document, dict):
        raise InvalidPolicy(Fault(path.name, "must be a mapping"))
    return policy_from(document, version=int(document.get("version", 1)))
