"""The estimator that docs/estimators.md shows: it keeps the rules, and a lane's training takes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalper.learn import Dataset, Feed, Model, train
from scalper.learn.estimators import conformance, estimator
from scalper.settings import ModelSettings

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's own estimator, as a lane names it."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "shown_on_the_page.py").write_text("\n".join(code))
    monkeypatch.syspath_prepend(tmp_path)
    return "shown_on_the_page:Linear"


def test_the_one_on_the_page_keeps_the_rules(named: str) -> None:
    conformance.check(estimator(named))


def test_a_lane_can_name_it(named: str, fit_rows: Dataset, later_rows: Dataset) -> None:
    window = fit_rows.dates[0], fit_rows.dates[-1]
    told: dict[str, Any] = {"lane": "toy", "window": window, "data_digest": "d" * 64, "kernel_version": "1-abc"}
    settings = ModelSettings(estimator=named, threads=1)
    trained = train(Feed.of(fit_rows), Feed.of(later_rows), settings, **told)
    found = Model.load(trained.onnx).probabilities(later_rows.x)
    assert trained.papers.estimator == named
    assert (found.argmax(axis=1) == later_rows.label).mean() > 0.6
    assert np.ptp(found[:, 2]) > 0.5
