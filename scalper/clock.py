"""The only place that reads the wall clock or sleeps; everything else is told the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

NS = 1_000_000_000


def now_ns() -> int:
    """Wall-clock time in UTC nanoseconds."""
    return time.time_ns()


def now() -> datetime:
    """Wall-clock time as an aware UTC datetime."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of a clock that never goes back, for durations."""
    return time.perf_counter()


def busy() -> float:
    """Processor seconds of this thread: a duration that does not count the waiting for a busy machine."""
    return time.thread_time()


def sleep(seconds: float) -> None:
    """Wait; only retries and supervision do."""
    time.sleep(seconds)


def from_ns(ts_ns: int) -> datetime:
    """UTC nanoseconds to an aware datetime (microsecond resolution)."""
    return datetime.fromtimestamp(ts_ns // NS, UTC).replace(microsecond=ts_ns % NS // 1000)


def iso(ts_ns: int) -> str:
    """UTC nanoseconds as ISO 8601 to the second, with a Z."""
    return from_ns(ts_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
