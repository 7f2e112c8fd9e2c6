"""NautilusTrader judges the path of a lane that was run, and starts the lane from an export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scalper import lane as stages
from scalper.errors import DataUnavailable, Refused
from scalper.gate.evidence import Evidence
from scalper.lane.stage import evidence_folder
from scalper.referee.export import start
from scalper.settings import Home, load_lane
from tests.conftest import Verb
from tests.lane.support import Ran, write_lane

pytestmark = pytest.mark.xdist_group("lane")


@pytest.fixture
def home(ran: Ran, tmp_path: Path) -> Home:
    """The run's home, to write into."""
    return Home(root=Path(shutil.copytree(ran.home.root, tmp_path / "home")))


def test_every_trade_of_the_evidence_is_judged(ran: Ran, home: Home) -> None:
    report = stages.referee(ran.lane, home)
    evidence = Evidence.load(evidence_folder(ran.lane, home), ran.lane)
    found = json.loads((evidence_folder(ran.lane, home) / "referee.json").read_text())
    assert found == json.loads(json.dumps(report.detail, default=str))
    assert (found["sessions"], found["path"]) == (evidence.daily.height, evidence.daily.height)
    assert found["bars"] == evidence.equity.height
    assert found["trades"] == found["trades_there"] == evidence.trades.height > 0
    assert (found["unexplained"], found["left_out"]) == (0, {})
    assert found["equal"] + found["causes"]["both_in_bar"]["count"] == found["trades"]


def test_the_share_of_the_volume_is_left_out_and_its_dollars_are_told(ran: Ran, home: Home, tmp_path: Path) -> None:
    other = load_lane(write_lane(tmp_path, simulation={"volume_share": 0.001}))
    with pytest.raises(Refused, match="choice was not made"):
        stages.referee(other, home)
    for stage in (stages.search, stages.simulation):
        stage(other, home)
    found = stages.referee(other, home).detail
    whole = found["left_out"]["volume_share"]
    assert whole != 0
    assert found["unexplained"] == 0


def test_a_lane_that_was_not_simulated_has_nothing_to_judge(ran: Ran, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="was not simulated"):
        stages.referee(ran.lane, Home(root=tmp_path))


def test_the_verb_prints_the_verdict(ran: Ran, home: Home, scalper: Verb) -> None:
    code, out, err = scalper("referee", "-c", ran.path, "--sessions", 2, "--json", home=home.root)
    found = json.loads(out)
    assert (code, found["sessions"], found["unexplained"]) == (0, 2, 0), err
    code, out, err = scalper("referee", "-c", ran.path, "--sessions", 1, home=home.root)
    assert code == 0 and "equal in every field" in err + out and "unexplained" in err + out


def test_the_lane_is_exported_and_nautilus_starts_it(ran: Ran, home: Home, scalper: Verb, tmp_path: Path) -> None:
    out = tmp_path / "nautilus"
    code, text, err = scalper(
        "export", "nautilus", "-c", ran.path, "--out", out, "--sessions", 8, "--json", home=home.root
    )
    found = json.loads(text)
    assert code == 0, err
    assert found["sessions"] == 8 and 0 < found["traded"] <= 8 and found["why"] is None
    rows = start(out)
    trades = Evidence.load(evidence_folder(ran.lane, home), ran.lane).trades
    first = rows[0].entry_ns
    assert [row.entry_ns for row in rows] == trades["entry_ns"].filter(trades["entry_ns"] >= first).to_list()


def test_a_lane_without_models_exports_its_bars(ran: Ran, home: Home, scalper: Verb, tmp_path: Path) -> None:
    shutil.rmtree(home.state / "models")
    code, text, err = scalper(
        "export", "nautilus", "-c", ran.path, "--out", tmp_path / "out", "--sessions", 2, home=home.root
    )
    assert code == 0, err
    assert "2 sessions" in err + text and "no strategy" in err + text
    other = write_lane(tmp_path, name="other", start="2025-06-02", end="2025-06-20")
    code, _, err = scalper("export", "nautilus", "-c", other, "--out", tmp_path / "other", home=home.root)
    assert (code, "no bars in the lake" in err) == (3, True)
