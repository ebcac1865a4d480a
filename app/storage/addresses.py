"""Database URLs: one form for people and asyncpg, one for SQLAlchemy."""

PLAIN, DRIVER = "postgresql://", "postgresql+asyncpg://"


def driver_url(url: str) -> str:
    """The URL as asyncpg takes it: `postgresql://…`; `postgres://` is read too.

    Raises `ValueError` for a URL of another database.
    """
    for start in (DRIVER, PLAIN, "postgres://"):
        if url.startswith(start):
            return PLAIN + url.removeprefix(start)
    raise ValueError("the database URL must begin with postgresql://")


def engine_url(url: str) -> str:
    """The URL as SQLAlchemy takes it: `postgresql+asyncpg://…`. Raises as `driver_url`."""
    return DRIVER + driver_url(url).removeprefix(PLAIN)
