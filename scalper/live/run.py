"""Run a bundle: preflight, one instance, a session to its end, a report."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scalper.files import write_json
from scalper.lake import Lake
from scalper.learn.recipe import Recipe
from scalper.live.executor import Executor
from scalper.live.journal import VERSION, Journal, journal_path
from scalper.live.preflight import Preflight, Result
from scalper.live.report import SessionReport
from scalper.settings import Home


def run_bundle(
    bundle: Path, home: Home, *, mode: str, broker: str = "sim", feed: str = "replay:last", pace: float = 0, lake: Lake
) -> SessionReport:
    """Run one session on a bundle; see run_session. Raises Refused if the bundle does not verify or is a NO-GO."""
    checks = Preflight(lambda: _verified(bundle), home, mode=mode, broker=broker, feed=feed, pace=pace, lake=lake)
    return run_session(checks, home, bundle=bundle.name)


def preflight_bundle(
    bundle: Path, home: Home, *, mode: str, broker: str = "sim", feed: str = "replay:last", lake: Lake
) -> list[Result]:
    """Every component of a run on this bundle by name, without running it."""
    checks = Preflight(lambda: _verified(bundle), home, mode=mode, broker=broker, feed=feed, pace=0, lake=lake)
    return checks.run()


def _verified(bundle: Path) -> Recipe:
    from scalper.gate.bundle import load_recipe  # the gate brings its statistics along: not for a replay

    return load_recipe(bundle)


def run_session(checks: Preflight, home: Home, *, bundle: str) -> SessionReport:
    """Make the preflight, then trade one session with what it opened, alone on its lane.

    SIGINT and SIGTERM end the session at the next bar, flat and reported. The report is written beside the journal.
    Raises Refused when a component fails, when the lane is run already, or for modes of real money.
    """
    checks.open()
    with checks.desk.occupied():
        checks.demand()
        checks.take_share()
        path, _ = journal_path(home, checks.recipe.lane.name, checks.feed.session.date)
        with Journal(path) as journal, _signals() as stop:
            results = [result.as_dict() for result in checks.results]
            journal.write("preflight", {"version": VERSION, "results": results})
            executor = Executor(
                checks.recipe,
                checks.broker,
                checks.feed,
                mode=checks.mode,
                bundle=bundle,
                journal=journal,
                desk=checks.desk,
                kept=checks.kept,
                rehearsal=checks.rehearsal,
            )
            report = executor.run(stop)
        write_json(path.with_suffix(".report.json"), report.as_dict())
        path.with_suffix(".report.txt").write_text(report.text() + "\n")
    return report


@contextmanager
def _signals() -> Generator[Callable[[], bool]]:
    """Whether somebody asked the process to stop; outside the main thread nobody can."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note(number: int, frame: Any) -> None:
        asked.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
