"""Rows as a Parquet file, where the optional part `parquet` is installed."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.ports.exports import NoParquet

AT_ONCE = 10_000  # rows that are held in memory
HOW_TO_GET_IT = "writing Parquet needs the optional part: pip install 'holdfast[parquet]'"
# How a value of an answer is written, by the kind of its column.
VALUES: Mapping[str, Callable[[Any], Any]] = {
    "text": str,
    "count": int,
    "decimal": Decimal,
    "day": date.fromisoformat,
    "instant": datetime.fromisoformat,
    "flag": bool,
}


def require_parquet() -> None:
    """Raises `NoParquet` where nothing here can write it."""
    try:
        import pyarrow.parquet  # noqa: F401 - whether it is there
    except ImportError as missing:
        raise NoParquet(HOW_TO_GET_IT) from missing


async def write_parquet(
    path: Path, kinds: Mapping[str, str], rows: AsyncIterator[Mapping[str, Any]]
) -> None:
    """Write rows, some thousand at a time. The same rows give the same bytes. Raises `NoParquet`
    and `OSError`."""
    require_parquet()
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "text": pa.string(),
        "count": pa.int64(),
        "decimal": pa.decimal128(24, 6),
        "day": pa.date32(),
        "instant": pa.timestamp("us", tz="UTC"),
        "flag": pa.bool_(),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        async for row in rows:
            batch.append({name: _value(row[name], kind) for name, kind in kinds.items()})
            if len(batch) == AT_ONCE:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
                batch = []
        writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))


def _value(value: Any, kind: str) -> Any:
    return None if value is None else VALUES[kind](value)
