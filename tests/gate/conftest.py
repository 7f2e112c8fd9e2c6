"""What the tests of the gate share: evidence that passes, and a lake, a recipe and a GO bundle, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalper.gate.bundle import write_bundle
from scalper.gate.checks import judge
from scalper.gate.evidence import Evidence
from scalper.gate.subject import Subject, find
from scalper.gate.verdict import decide
from scalper.lake import Lake
from scalper.learn.recipe import Recipe
from scalper.settings import Lane
from tests.gate.sample import DAYS, make_evidence, make_lake, make_lane, make_measured, make_recipe


@pytest.fixture
def evidence() -> Evidence:
    return make_evidence(make_lane())


@pytest.fixture(scope="package")
def lane() -> Lane:
    return make_lane()


@pytest.fixture(scope="package")
def lake(tmp_path_factory: pytest.TempPathFactory, lane: Lane) -> Lake:
    return make_lake(tmp_path_factory.mktemp("lake"), lane, DAYS[:4])


@pytest.fixture(scope="package")
def recipe(lake: Lake, lane: Lane) -> Recipe:
    return make_recipe(lake, lane, DAYS[:4])


@pytest.fixture(scope="package")
def subjects(lake: Lake, lane: Lane) -> list[Subject]:
    return find(lake, lane, DAYS[1:4], 2)


@pytest.fixture(scope="package")
def go_bundle(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> Path:
    """A bundle that says GO; tests change copies of it."""
    given = make_evidence(recipe.lane)
    verdict = decide(judge(given, make_measured()))
    root = tmp_path_factory.mktemp("bundles")
    return write_bundle(
        root, recipe=recipe, evidence=given, verdict=verdict, report=lambda path: path.write_text("<p>GO</p>")
    )
