"""A ledger of a million lines: a download passes through, and is not held."""

import resource
from dataclasses import fields

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.domain.recovery import RecoveryEntry
from app.reports import finance
from app.reports.formats import CSV, NDJSON, rendered
from app.storage.addresses import engine_url
from tests.databases import Server
from tests.reports.builders import LATER, MERCHANT, entry, merchant, the_account
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
LINES = 1_000_000
# What would be held: a million lines of 300 bytes, and five times that as objects.
MOST_MB = 150
COUNTED = {"entry_id": "entry_id || '_' || n", "provider_ref": "provider_ref || '_' || n"}


def memory_mb() -> float:
    """The most this process has ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("form", [CSV, NDJSON])
async def test_a_million_lines_are_downloaded_without_being_held(
    server: Server, own_database: str, form: str
) -> None:
    # given a ledger of a million lines, copied from one
    engine = create_async_engine(engine_url(own_database), poolclass=NullPool)
    ledger = Ledger(engine)
    await ledger.holds(merchant(), the_account(), entry(100))
    names = [field.name for field in fields(RecoveryEntry)]
    values = ", ".join(COUNTED.get(name, name) for name in names)
    server.as_admin(
        server.database("own"),
        f"insert into recovery_entries ({', '.join(names)}) select {values}"
        f" from recovery_entries, generate_series(2, {LINES}) as n",
    )
    before = memory_mb()

    # when all of it is downloaded
    answer = await finance.answer_entries(
        {}, merchant_id=MERCHANT, figures=ledger.figures, now=LATER, whole=True
    )
    lines = 0
    async for piece in rendered(answer, form):
        lines += piece.count(b"\n")
    await engine.dispose()

    # then every line came, and no more was held than a little at a time
    assert lines == LINES + (1 if form == CSV else 0)
    assert memory_mb() - before < MOST_MB
