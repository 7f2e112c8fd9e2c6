"""Evidence survives its folder, and another lane's does not get in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from scalper.errors import BadInput, DataUnavailable
from scalper.gate.checks import judge
from scalper.gate.evidence import DICTS, FRAMES, Evidence
from tests.gate.sample import make_lane, make_measured


def test_what_is_saved_is_loaded(evidence: Evidence, tmp_path: Path) -> None:
    folder = evidence.save(tmp_path / "state" / "tiny")
    again = Evidence.load(folder, evidence.lane)
    for name in FRAMES:
        assert_frame_equal(getattr(again, name), getattr(evidence, name))
    for name in DICTS:
        assert getattr(again, name) == getattr(evidence, name)
    assert [one.as_dict() for one in judge(again, make_measured())] == [
        one.as_dict() for one in judge(evidence, make_measured())
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_saving_again_replaces_the_whole(evidence: Evidence, tmp_path: Path) -> None:
    folder = evidence.save(tmp_path / "tiny")
    (folder / "old.txt").write_text("left over")
    evidence.quality = {"sessions": np.int64(7), "quarantined": {date(2025, 2, 17): ["thin"]}, "coverage": 1.0}
    evidence.save(folder)
    assert Evidence.load(folder, evidence.lane).quality["quarantined"] == {"2025-02-17": ["thin"]}
    assert not (folder / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_failed_save_leaves_what_was_there(evidence: Evidence, tmp_path: Path) -> None:
    folder = evidence.save(tmp_path / "tiny")
    evidence.stress = {"costs": complex(1, 1)}  # pyright: ignore
    with pytest.raises(AttributeError):
        evidence.save(folder)
    assert Evidence.load(folder, evidence.lane).stress["costs"] == 110.0
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_thresholds_may_change_and_nothing_else(evidence: Evidence, tmp_path: Path) -> None:
    folder = evidence.save(tmp_path / "tiny")
    Evidence.load(folder, make_lane(gate={"sharpe": 2.0}))
    with pytest.raises(BadInput, match="another configuration"):
        Evidence.load(folder, make_lane(labels={"horizon": 20}))
    with pytest.raises(BadInput, match="key lane is tiny"):
        Evidence.load(folder, make_lane(name="other"))


def test_what_is_missing_or_broken_is_named(evidence: Evidence, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="run the lane's simulation"):
        Evidence.load(tmp_path / "none", evidence.lane)
    folder = evidence.save(tmp_path / "tiny")
    for text, words in (("{", "not JSON"), ("[]", "not a document")):
        (folder / "evidence.json").write_text(text)
        with pytest.raises(BadInput, match=f"evidence.json: {words}.*run `scalper simulate` again"):
            Evidence.load(folder, evidence.lane)
    evidence.trades = evidence.trades.drop("net")
    evidence.save(folder)
    with pytest.raises(BadInput, match="lacks the columns net"):
        Evidence.load(folder, evidence.lane)


def rewritten(name: str, **columns: pl.Expr | float) -> Callable[[Path], object]:
    """The frame with other values, as whole a file as before."""

    def change(folder: Path) -> None:
        frame = pl.read_parquet(path := folder / f"{name}.parquet")
        frame.with_columns(**columns).write_parquet(path)  # pyright: ignore[reportArgumentType]

    return change


def redocumented(**changes: object) -> Callable[[Path], object]:
    """The document with other values."""

    def change(folder: Path) -> None:
        path = folder / "evidence.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("trades.parquet", rewritten("trades", net=pl.col("net") * 2)),
        ("trades.parquet", rewritten("trades", net=float("nan"))),
        ("trades.parquet", rewritten("trades", confidence=float("nan"))),
        ("refusals.parquet", rewritten("refusals", count=-5)),
        ("trades.parquet", lambda folder: (folder / "trades.parquet").write_bytes(b"no")),
        ("daily.parquet", lambda folder: (folder / "daily.parquet").rename(folder / "other.parquet")),
        ("evidence.json", redocumented(stress={"costs": 1.0, "slippage": 1.0, "latency": 1.0})),
        ("evidence.json", redocumented(files={})),
        ("evidence.json", redocumented(seal=None)),
    ],
)  # fmt: skip
def test_what_was_changed_is_refused(
    file: str, change: Callable[[Path], object], evidence: Evidence, tmp_path: Path
) -> None:
    folder = evidence.save(tmp_path / "tiny")
    (folder / "referee.json").write_text("{}")
    Evidence.load(folder, evidence.lane)
    change(folder)
    with pytest.raises(BadInput, match=rf"{file}: (was changed|is missing).*run `scalper simulate` again"):
        Evidence.load(folder, evidence.lane)
