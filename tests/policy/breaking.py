"""Break one guard at a time in a copy of the sources and note the first test that falls.

    python -m tests.policy.breaking [--only NAME]

Each guard is broken in a temporary copy and the hand-made days are played there as plain Python, in a fork of this
process, which has imported what the guards do not touch. Without --only the table goes to docs/guards.md. Exit code 4:
a guard whose snippet is not found exactly once, or whose removal no test notices.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

os.environ |= {"NUMBA_DISABLE_JIT": "1", "OPENBLAS_NUM_THREADS": "1"}

import hypothesis  # noqa: F401  (imported once for all forks; not polars, whose threads a fork would lack)
import numba  # noqa: F401
import numpy  # noqa: F401
import pandas_market_calendars  # noqa: F401
import pydantic_settings  # noqa: F401
import pytest

from tests.policy.guards import GUARDS, Guard

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("tests/policy", "tests/simulate")
TESTS = (
    *(f"tests/policy/test_{noun}.py" for noun in ("gates", "limits", "market", "stops", "times", "firm", "account")),
    *(f"tests/simulate/test_{noun}.py" for noun in ("kernel", "stop_days", "partial", "limit_days", "session")),
)
"""The hand-made days, which run in a second or two as plain Python."""
PAGE = "docs/guards.md"
TOUCHED = ("scalper/policy/", "scalper/simulate/")
"""Where nearly all guards stand; the rest of scalper/ is imported once for all forks."""
SECONDS = 300
"""A broken guard may keep a test from ending."""
FAILED = 4

HEAD = """# The guards of policy and simulation

Each row is one guard of the compiled core. `python -m tests.policy.breaking` removes them one at a time in a copy of
the sources and runs the hand-made days there; the last column is the first test that falls. A guard that no test
misses is a failure (exit code 4). This page is written by that command.

| guard | what it protects | file | the test that falls without it |
|---|---|---|---|
"""


@dataclass(slots=True)
class Falls:
    """A pytest plugin that keeps the names of what failed."""

    tests: list[str] = field(default_factory=list[str])
    collection: list[str] = field(default_factory=list[str])
    passed: int = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each phase of each test."""
        if report.failed:
            self.tests.append(report.nodeid)
        self.passed += report.passed and report.when == "call"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Called by pytest for each file."""
        if report.failed:
            self.collection.append(report.nodeid)

    def word(self) -> str:
        """What came of the run, a line that `outcome` takes apart."""
        if self.collection:
            return f"unreadable {self.collection[0]}"
        if self.tests:
            return f"fell {self.tests[0]}"
        return f"passed {self.passed}"


def find(guard: Guard, text: str) -> str:
    """`text` with the guard broken. Raises ValueError unless the snippet is there exactly once."""
    if (times := text.count(guard.snippet)) != 1:
        raise ValueError(f"the snippet of {guard.name} is {times} times in {guard.file}, not once: {guard.snippet!r}")
    return text.replace(guard.snippet, guard.broken)


def copy_tree(folder: Path) -> Path:
    """What the tests need, in `folder`."""
    for name in ("scalper", "config", *FOLDERS):
        skip = shutil.ignore_patterns("__pycache__", "*.html", "data_lake")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=skip)
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


def _forget(*packages: str) -> None:
    """Forget the modules of these packages, so that they are imported anew."""
    for name in [name for name in sys.modules if name.startswith(packages)]:
        del sys.modules[name]


def warm(tree: Path) -> None:
    """Work from `tree` from here on, and import of it what the guards in TOUCHED leave as it is; a calendar, too."""
    os.chdir(tree)
    _forget("scalper", "tests")
    sys.path[:] = [str(tree), *(entry for entry in sys.path if Path(entry or ".").resolve() != REPOSITORY)]
    import scalper.features
    import scalper.labels
    import scalper.settings  # noqa: F401
    from scalper.market import session

    for day in (date(2021, 7, 14), date(2018, 12, 5)):
        session("MES", day)


def _child(tree: Path, file: str, tests: tuple[str, ...], answer: int) -> None:
    """In the fork: run the tests of `tree` and write what came of it. Never returns."""
    signal.alarm(SECONDS)
    _forget(*(("tests", "scalper.policy", "scalper.simulate") if file.startswith(TOUCHED) else ("tests", "scalper")))
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    seen: Any = Falls()
    words = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-o", "addopts="]
    words += ["--assert=plain", "--import-mode=importlib", "--noconftest", "-m", "kernel and not long", *tests]
    text = "unreadable"
    try:
        pytest.main(words, plugins=[seen])
        where = Path(sys.modules["scalper.policy"].__file__ or "").resolve()
        text = seen.word() if where.is_relative_to(tree.resolve()) else f"unreadable {where}"
    finally:
        os.write(answer, text.encode())
        os._exit(0)


def outcome(tree: Path, file: str, tests: tuple[str, ...] = TESTS, *, write_bytecode: bool = False) -> str:
    """Run the tests of `tree`, in which `file` is broken, in a fork: 'passed N', 'fell TEST', 'unreadable FILE' or
    'endless'."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        sys.dont_write_bytecode = not write_bytecode  # a broken file must not leave its compiled form
        _child(tree, file, tests, write)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text or "endless"


def run(guards: list[Guard]) -> list[tuple[Guard, str]]:
    """Each guard with the test that falls without it, or with what is wrong after a '!'."""
    rows: list[tuple[Guard, str]] = []
    with tempfile.TemporaryDirectory() as name:
        tree = copy_tree(Path(name))
        warm(tree)
        whole = outcome(tree, TOUCHED[0], write_bytecode=True)
        if not whole.startswith("passed") or whole == "passed 0":
            raise SystemExit(f"with every guard in place the tests say: {whole}")
        for guard in guards:
            path = tree / guard.file
            text, written = path.read_text(), path.stat().st_mtime_ns
            try:
                path.write_text(find(guard, text))
                os.utime(path, (1, 1))  # no compiled form has this time
                said = outcome(tree, guard.file, guard.tests)
                said = outcome(tree, guard.file) if said.startswith("passed") else said
                word, _, what = said.partition(" ")
            except ValueError as error:
                word, what = "lost", str(error)
            path.write_text(text)
            os.utime(path, ns=(written, written))
            rows.append((guard, what.split("[")[0] if word == "fell" else f"! {word} {what}"))
            print(f"{guard.name:<28} {rows[-1][1]}", flush=True)
    return rows


def page(rows: list[tuple[Guard, str]]) -> str:
    """The table as docs/guards.md."""
    lines = [f"| {one.name} | {one.protects} | {one.file.removeprefix('scalper/')} | `{test}` |" for one, test in rows]
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    read = argparse.ArgumentParser(description="break the guards one at a time and see which test falls")
    read.add_argument("--only", metavar="NAME", help="guards whose name contains NAME")
    read.add_argument("--page", type=Path, default=REPOSITORY / PAGE, help=f"where the table goes (default: {PAGE})")
    given = read.parse_args()
    rows = run([one for one in GUARDS if given.only is None or given.only in one.name])
    wrong = [one.name for one, test in rows if test.startswith("!")]
    if wrong:
        print(f"{len(wrong)} of {len(rows)} guards are missed by no test or not found: {', '.join(wrong)}")
        return FAILED
    print(f"{len(rows)} guards, each missed by a test")
    if given.only is None:
        given.page.write_text(page(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
