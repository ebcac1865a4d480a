"""Medians, percentiles, memory, and the machine they were measured on."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: what we did per second with its latencies in ms, and the ceiling beside it."""

    per_second: float
    p50_ms: float
    p99_ms: float
    ceiling_per_second: float
    ceiling_p50_ms: float = 0.0
    ceiling_p99_ms: float = 0.0
    extra: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The medians of the rounds. `rss_*_mb`: memory of the measured processes together, after the
    warm-up and at the end."""

    per_second: float
    p50_ms: float
    p99_ms: float
    ceiling_per_second: float
    ratio: float
    rss_start_mb: float
    rss_end_mb: float
    machine: dict[str, str | int]


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie; 0 for none."""
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def summary(
    rounds: Sequence[Round], *, rss: tuple[float, float], database: str
) -> dict[str, object]:
    """The keys of `--json`: medians over the rounds, `ratio` the median of the rounds' ratios
    (machine noise hits both halves of a round alike), what a bench adds, and the rounds."""
    result = Result(
        per_second=round(median(r.per_second for r in rounds), 1),
        p50_ms=round(median(r.p50_ms for r in rounds), 2),
        p99_ms=round(median(r.p99_ms for r in rounds), 2),
        ceiling_per_second=round(median(r.ceiling_per_second for r in rounds), 1),
        ratio=round(median(r.per_second / max(r.ceiling_per_second, 1e-9) for r in rounds), 3),
        rss_start_mb=round(rss[0], 1),
        rss_end_mb=round(rss[1], 1),
        machine=machine(database),
    )
    extras = {name for r in rounds for name, _ in r.extra}
    added = {name: round(median(dict(r.extra)[name] for r in rounds), 1) for name in sorted(extras)}
    ceilings = {
        "ceiling_p50_ms": round(median(r.ceiling_p50_ms for r in rounds), 2),
        "ceiling_p99_ms": round(median(r.ceiling_p99_ms for r in rounds), 2),
    }
    each = [{k: v for k, v in asdict(r).items() if k != "extra"} | dict(r.extra) for r in rounds]
    return asdict(result) | ceilings | added | {"rounds": each}


def machine(database: str) -> dict[str, str | int]:
    """What the figures were measured on; without it they mean nothing."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpus": os.cpu_count() or 0,
        "cpu": models[0] if models else platform.processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "database": database,
    }


def memory_mb(pids: Sequence[int]) -> float:
    """Resident memory of these processes and their descendants, in MB; 0 without /proc."""
    kilobytes = 0
    for pid in _with_descendants(pids):
        status = Path(f"/proc/{pid}/status")
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue  # it ended meanwhile
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kilobytes / 1024


def _with_descendants(pids: Sequence[int]) -> list[int]:
    found = list(pids)
    for pid in found:  # grows while it is walked
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def write_json(path: Path | None, figures: dict[str, object]) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n")
