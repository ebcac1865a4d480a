"""A worker's writing of nightly files for people's own tools."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from app.domain.merchants import ProviderAccount
from app.ports.exports import Shelf
from app.ports.figures import Figures
from app.reports.exporting import export_day, last_day
from app.wiring import Settings, build_figures, exports_in
from workers.shift import Shift, outcome

EVERY_S = 300.0
CAUGHT_UP = 7  # nights that a worker which was away makes up for

log = structlog.get_logger("workers")


async def export(shift: Shift, settings: Settings) -> None:
    """Write what is missing until the shift ends, where a folder is set. What goes wrong is logged
    and tried again."""
    if settings.export_dir is None:
        return
    shelf = exports_in(Path(settings.export_dir))
    async with build_figures(settings) as figures:
        while not shift.stopping.is_set():
            parquet = settings.export_parquet
            done = await outcome(export_missing(shift, figures, shelf, parquet=parquet))
            if isinstance(done, Exception):
                log.error("exports_failed", exc_info=done)
            await shift.stopped(EVERY_S)


async def export_missing(
    shift: Shift, figures: Figures, shelf: Shelf, *, parquet: bool = False
) -> int:
    """The files of each merchant's last nights that are not there; how many days were written.
    Raises the last error, once all were tried: what goes wrong about one holds up nobody else."""
    written, failed = 0, None
    async with shift.world.store.system() as tx:
        accounts = await tx.find(ProviderAccount, where={})
    for merchant_id in sorted({account.merchant_id for account in accounts}):
        days = await outcome(_nights(shift, figures, shelf, merchant_id, parquet=parquet))
        if isinstance(days, Exception):
            failed = days
        else:
            written += days
    if failed is not None:
        raise failed
    return written


async def _nights(
    shift: Shift, figures: Figures, shelf: Shelf, merchant_id: str, *, parquet: bool
) -> int:
    """Those of one merchant, until the shift ends."""
    written = 0
    zone = None
    for back in range(CAUGHT_UP):
        if shift.stopping.is_set():
            break
        zone = zone or ZoneInfo(await figures.time_zone(merchant_id))
        now = shift.world.clock.now()
        day = last_day(now, zone) - timedelta(days=back)
        written += await export_day(
            merchant_id, day, figures=figures, shelf=shelf, now=now, parquet=parquet
        )
    return written
