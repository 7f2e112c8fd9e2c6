"""The description of a lane: its tables, its page, what it calls drift, and that it is made once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from scalper import lane as stages
from scalper.errors import BadInput, DataUnavailable
from scalper.features import catalogue
from scalper.lake import Lake
from scalper.lane.described import described_folder
from scalper.lane.described_page import TABLES
from scalper.learn import load, psi
from scalper.settings import DescribeSettings, Home, Lane
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")


def names_of(lane: Lane) -> list[str]:
    return [one.name for one in catalogue(lane.features, lane.interval_ns)]


def tables(ran: Ran) -> dict[str, pl.DataFrame]:
    folder = described_folder(ran.lane, ran.home)
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def test_the_tables_say_what_the_files_hold(ran: Ran) -> None:
    report = stages.describe(ran.lane, ran.home)
    found, names = tables(ran), names_of(ran.lane)
    days = stages.learnable(ran.lane, ran.home)
    months = sorted({f"{day:%Y-%m}" for day in days})
    assert (report.detail["sessions"], report.detail["features"]) == (len(days), len(names))
    for name in ("drift", "information"):
        assert found[name]["feature"].to_list() == names * len(months)
        assert found[name]["month"].unique().sort().to_list() == months
    lake = Lake(ran.home.lake)
    rows = load(lake, ran.lane.name, [day for day in days if f"{day:%Y-%m}" == months[-1]])
    column = names.index("atr")
    told = found["distributions"].filter((pl.col("month") == months[-1]) & (pl.col("feature") == "atr")).to_dicts()[0]
    assert told["n"] == len(rows)
    assert told["mean"] == pytest.approx(float(rows.x[:, column].mean(dtype=np.float64)))
    train = load(lake, ran.lane.name, list(stages.folds(ran.lane, ran.home).folds[0].train))
    drift = found["drift"].filter((pl.col("month") == months[-1]) & (pl.col("feature") == "atr")).to_dicts()[0]
    assert drift["psi"] == pytest.approx(psi(train.x[:, column], rows.x[:, column]), abs=1e-12)
    assert found["histograms"].group_by("feature", "month").agg(pl.col("count").sum()).filter(
        (pl.col("feature") == "atr") & (pl.col("month") == months[-1])
    )["count"].to_list() == [len(rows)]  # fmt: skip
    balance = found["balance"].drop("session").sum().row(0, named=True)
    assert balance == report.detail["balance"]
    assert sum(balance.values()) == report.rows
    pairs = found["correlations"]
    assert pairs.height == len(names) ** 2
    same = pairs.filter(pl.col("a") == pl.col("b"))["pearson"].fill_nan(None).drop_nulls()
    assert same.to_list() == pytest.approx([1.0] * len(same))


def test_the_page_stands_alone_and_shows_every_feature(ran: Ran) -> None:
    report = stages.describe(ran.lane, ran.home)
    folder = described_folder(ran.lane, ran.home)
    html = Path(report.detail["page"]).read_text()
    assert html.startswith("<!doctype html>")
    assert not re.search(r"<script|<link|(src|href)=\"(?!data:)", html)
    for name in names_of(ran.lane):
        assert f">{name}<" in html
    for svg in folder.glob("*.svg"):
        text = svg.read_text()
        assert text in html, svg.name
        ElementTree.fromstring(text)
    assert {one.stem for one in folder.glob("*.svg")} >= {"balance", "drift", "information", "correlations"}
    assert report.picture == (folder / "correlations.svg").read_text()


def test_it_is_made_once(ran: Ran) -> None:
    stages.describe(ran.lane, ran.home)
    folder = described_folder(ran.lane, ran.home)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = stages.describe(ran.lane, ran.home)
    assert (again.done, again.skipped) == (0, 1)
    (folder / "index.html").unlink()
    made = stages.describe(ran.lane, ran.home)
    assert (made.done, made.skipped) == (1, 0)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert made.detail["worst drift"].equals(again.detail["worst drift"])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@contextmanager
def moved(ran: Ran, name: str, days: list[date]) -> Iterator[None]:
    """A feature of some sessions a few deviations higher, as long as the block lasts."""
    lake, kept = Lake(ran.home.lake), dict[Path, bytes]()
    try:
        for day in days:
            keys = {"lane": ran.lane.name, "date": day.isoformat()}
            file, frame = lake.path("features", keys), lake.read("features", keys)
            kept[file] = file.read_bytes()
            lake.write("features", keys, frame.with_columns(pl.col(name) * 3), {"scalper.input": f"moved {day}"})
        yield
    finally:
        for file, content in kept.items():
            file.write_bytes(content)


def test_planted_drift_is_named_and_the_rest_is_not(ran: Ran) -> None:
    calm = stages.describe(ran.lane, ran.home).detail
    newest = [day for day in stages.learnable(ran.lane, ran.home) if f"{day:%Y-%m}" == calm["newest month"]]
    with moved(ran, "atr", newest):
        found = stages.describe(ran.lane, ran.home).detail
        assert set(found["drifted"]) - set(calm["drifted"]) == {"atr"}
        worst = {one["feature"]: one for one in found["worst drift"].to_dicts()}
        assert worst["atr"]["psi"] > worst["atr"]["chance"] + 1
        assert "atr" in Path(found["page"]).read_text().split("most moved in")[1].split("</table>")[0]


def test_a_reference_of_ones_own(ran: Ran) -> None:
    days = stages.learnable(ran.lane, ran.home)
    window = DescribeSettings(reference=(days[-4], days[-1]))
    lane = ran.lane.model_copy(update={"describe": window})
    assert stages.describe(lane, ran.home).detail["reference"].startswith(f"{days[-4]} to {days[-1]}")
    empty = DescribeSettings(reference=(date(2019, 1, 1), date(2019, 2, 1)))
    with pytest.raises(BadInput, match=r"describe\.reference"):
        stages.describe(ran.lane.model_copy(update={"describe": empty}), ran.home)


def test_a_lane_without_rows_says_what_to_run(ran: Ran, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="features and labels"):
        stages.describe(ran.lane, Home(root=tmp_path))


def test_the_verb(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    from scalper.cli import app

    monkeypatch.setenv("SCALPER_HOME", str(ran.home.root))
    done = CliRunner().invoke(app, ["describe", "--config", str(ran.path), "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["rows"] > 0 and len(found["worst drift"]) == 10
    assert Path(found["page"]).is_file()
    said = CliRunner().invoke(app, ["describe", "--config", str(ran.path)])
    assert said.stdout.strip().endswith("index.html")
