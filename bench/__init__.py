"""The benchmarks and their peers, run by `scalper bench NAME` and `make bench`; see README.md.

Here: what is measured and against what. Not here: budgets as tests (a shared machine would fail them by chance).
Every benchmark measures its peers in the same run, after itself, and returns one JSON document.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bench.measure import table

MODULES = {
    "features": "features",
    "simulate": "simulate",
    "grid": "grid",
    "decide": "decide",
    "learn": "learn",
    "import": "importing",
    "ticks": "ticks",
}
"""A benchmark's name to its module, which has `run(size) -> document`."""


def run(name: str, size: int | None = None, **more: Any) -> dict[str, Any]:
    """Run one benchmark; `size` is its number of rows or bars, None its default. `features` counts for learn only."""
    return {"bench": name, **import_module(f"bench.{MODULES[name]}").run(size, **more)}


__all__ = ["MODULES", "run", "table"]
