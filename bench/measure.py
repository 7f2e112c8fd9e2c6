"""Seconds, peak memory, quantiles, and the table for people."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.table import Table

from scalper import clock

PASSES = 3
LONG_S = 2.0


def timed(work: Callable[[], Any]) -> float:
    """Seconds of the best of three passes; of as many as begin within two seconds where one is long."""
    best, began = float("inf"), clock.monotonic()
    for _ in range(PASSES):
        start = clock.monotonic()
        work()
        end = clock.monotonic()
        best = min(best, end - start)
        if end - began > LONG_S:
            break
    return best


def rate(count: int, work: Callable[[], Any]) -> float:
    """How many a second, of the best pass over `count`."""
    return round(count / timed(work), 1)


def peak_mib() -> float:
    """Most memory that this process has held so far, libraries and test data included, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**20 if sys.platform == "darwin" else 2**10), 1)


def processor_s() -> float:
    """Processor seconds of this process so far, all threads: what a run costs, however busy the machine is."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def quantiles_ms(seconds: list[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    low, high = np.quantile(np.array(seconds), (0.5, 0.99)) * 1000
    return {"p50_ms": round(float(low), 4), "p99_ms": round(float(high), 4)}


def result(unit: str, count: int, seconds: float) -> dict[str, Any]:
    """The figures of what is measured, before its peers run: `unit` is rows or bars."""
    figures = {unit: count, "seconds": round(seconds, 6), "peak_mib": peak_mib()}
    return figures | {f"{unit}_per_second": round(count / seconds, 1)}


def ratios(own: float, peers: dict[str, float]) -> dict[str, float]:
    """How many times as fast as each peer."""
    return {name: round(own / theirs, 2) for name, theirs in peers.items()}


def table(document: dict[str, Any]) -> Table:
    """A benchmark's figures and its peers', one line each; what is nested becomes lines of its own."""
    shown = Table("", "", box=None, show_header=False, title=f"scalper bench {document['bench']}", title_justify="left")
    for name, value in _lines(document):
        shown.add_row(name, value)
    return shown


def _lines(document: dict[str, Any], indent: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in document.items():
        if isinstance(value, dict):
            lines += [(f"{indent}{name}", ""), *_lines(value, indent + "  ")]
        elif name != "bench":
            lines.append((f"{indent}{name}", _figure(value)))
    return lines


def _figure(value: object) -> str:
    """Whole numbers with separators, small ones with four digits."""
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 100 else f"{value:,.0f}"
