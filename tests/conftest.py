"""What every test may rely on: a home of its own, the real data if it is here, no call to the outside."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from scalper.cli import main

Verb = Callable[..., tuple[int, str, str]]

REPOSITORY = Path(__file__).resolve().parent.parent

# The same examples on every run, and no deadline on a shared machine.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests share its fixtures: one worker has them, unless they belong to a wider group."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """SCALPER_HOME and DAGSTER_HOME in a temporary folder, secrets and telemetry off, for tests and what they start."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("SCALPER_LANE__", "DATABENTO_", "MLFLOW_")):
                patch.delenv(name)
        patch.setenv("SCALPER_HOME", str(folder))
        patch.setenv("SCALPER_LAKE", "")  # empty: below SCALPER_HOME, whatever .env says
        patch.setenv("DAGSTER_HOME", str(folder))
        patch.setenv("GX_ANALYTICS_ENABLED", "false")
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        patch.setenv("DO_NOT_TRACK", "true")
        yield folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data (SCALPER_REAL_DATA, default ../shared/data); the test is skipped without it."""
    folder = Path(os.environ.get("SCALPER_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SCALPER_REAL_DATA to a folder that has it")
    return folder


@pytest.fixture
def scalper(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """The command line in this process, `scalper(*words, home=, **environment)`: exit code, stdout, stderr."""

    def run(*words: object, home: Path, **environment: str) -> tuple[int, str, str]:
        for name, value in ({"SCALPER_HOME": str(home)} | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["scalper", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run
