"""A small demo, run once through Dagster for every test that looks at what it left."""

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from pipelines import demo
from pipelines.definitions import build_defs
from scalper.settings import Home, Lane, load_lane

LANES = Path(__file__).parent / "lanes"


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share one run, so one worker has them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("pipelines"))


@dataclass(frozen=True)
class Ran:
    """The demo that ran: its lane and definitions, Dagster's instance, the folders, and what it printed."""

    lane: Lane
    defs: dg.Definitions
    instance: dg.DagsterInstance
    home: Home
    code: int
    lines: list[str]


@pytest.fixture(scope="session")
def tiny() -> Lane:
    """The configuration of the small demo."""
    return load_lane(LANES / "demo.yaml")


@pytest.fixture(scope="session")
def ran(tiny: Lane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """`python -m pipelines.demo --home …` on the small demo; the homes are named while the fixture lives."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CONFIG", LANES)
        patch.setenv("SCALPER_HOME", str(folder))
        patch.setenv("DAGSTER_HOME", str(folder))
        said = io.StringIO()
        with redirect_stdout(said):
            code = demo.main(["--home", str(folder)])
        with dg.DagsterInstance.get() as instance:
            yield Ran(tiny, build_defs(folder=LANES), instance, Home(root=folder), code, said.getvalue().splitlines())
