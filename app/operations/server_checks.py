"""The doctor's look at the servers: PostgreSQL, Redis, SMTP."""

import asyncio

from aiosmtplib import SMTP, SMTPException
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.mail.smtp import BadSmtpUrl, Server
from app.operations.findings import Finding, good, note, wrong
from app.ports.clock import Clock
from app.ports.store import StoreUnavailable
from app.storage.agreeing import APART_S
from app.storage.condition import condition_of

PATIENCE_S = 5.0
OLDEST_POSTGRES = 15


async def check_database(url: str | None, clock: Clock | None = None) -> list[Finding]:
    """Reachable, new enough, migrated, its clock that of this machine (where one is given), and
    the login no stronger than it must be."""
    about = "database"
    if not url:
        return [wrong(about, "DATABASE_URL is not set", "set it, or use `holdfast up`")]
    try:
        seen = await condition_of(url)
    except StoreUnavailable as outage:
        return [wrong(about, f"does not answer: {outage}", "check DATABASE_URL and the server")]
    found = [good(about, f"PostgreSQL {seen.version}")]
    if seen.version < OLDEST_POSTGRES:
        found = [wrong(about, f"PostgreSQL {seen.version}", "15 is the oldest that will do")]
    if seen.missing_migrations:
        lacking = ", ".join(seen.missing_migrations)
        found.append(wrong("migrations", f"missing: {lacking}", "run `holdfast migrate`"))
    else:
        found.append(good("migrations", "the newest schema"))
    apart_s = (clock.now() - seen.clock).total_seconds() if clock else 0.0
    if abs(apart_s) > APART_S:
        side = "ahead of" if apart_s > 0 else "behind"
        text = f"is {abs(apart_s):.0f} s {side} the database's: workers here do nothing"
        found.append(wrong("clock", text, "let both machines keep their time by NTP"))
    if seen.login_is_too_strong:
        found.append(
            note(
                "database login",
                "is a superuser or bypasses row security; every transaction steps down from it, "
                "but an ordinary login is safer",
            )
        )
    return found


async def check_redis(url: str | None) -> Finding:
    """Redis may be missing: then work is found by the sweep, later."""
    if not url:
        return note("redis", "REDIS_URL is not set; work is found by the sweep only")
    client = Redis.from_url(url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
    try:
        await client.ping()
    except (RedisError, OSError) as failure:
        text = f"does not answer ({type(failure).__name__}); nothing is lost, work is only later"
        return wrong("redis", text, "check REDIS_URL and the server")
    finally:
        await client.aclose()
    return good("redis", "answers")


async def check_smtp(url: str | None, *, kept_here: bool) -> Finding:
    """The mail server takes our greeting and our login; no mail is sent."""
    if kept_here:
        return note("mail", "goes into HOLDFAST_MAILBOX_DIR, not to customers")
    if not url:
        return wrong("mail", "SMTP_URL is not set: mail waits", "set SMTP_URL")
    try:
        async with asyncio.timeout(PATIENCE_S), _client(Server.of(url)) as client:
            await client.noop()
    except BadSmtpUrl as bad:
        return wrong("mail", str(bad), "mend SMTP_URL")
    except (SMTPException, OSError, TimeoutError) as failure:
        return wrong("mail", f"the server refuses us ({type(failure).__name__})", "check SMTP_URL")
    return good("mail", "the server takes our login")


def _client(server: Server) -> SMTP:
    return SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.tls,
        start_tls=server.start_tls,
        timeout=PATIENCE_S,
    )
