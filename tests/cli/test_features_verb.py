"""`scalper features`: the catalogue in words and as a document, the page, and what it refuses."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from scalper.cli import main
from scalper.lake import Lake, bar_keys
from scalper.market import INTERVALS, from_ticks, instrument, session
from tests.features.support import walk

DAY = date(2021, 7, 14)
LANE = """
name: seen
symbol: MES
source: import
interval: 5m
start: 2021-07-14
end: 2021-07-15
features: {groups: [returns, structure], returns: [1, 3]}
"""


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path, *words: object
) -> tuple[int, str, str]:
    """Run the verb on a lane of its own: exit code, stdout, stderr."""
    config = home / "seen.yaml"
    config.write_text(LANE)
    monkeypatch.setenv("SCALPER_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["scalper", "features", "--config", str(config), *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def fill(home: Path) -> None:
    one = session("MES", DAY)
    bars = walk(np.random.default_rng(2), np.arange(one.open_ns, one.close_ns, INTERVALS["5m"]))
    frame = from_ticks(bars, instrument("MES").tick, "MESU21")
    Lake(home / "data_lake").write("bars", bar_keys("import", "MES", "5m", DAY), frame)


def test_without_bars_the_catalogue_is_printed_and_there_is_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, tmp_path)
    assert code == 0
    for words in ("log_return_3", "ln(close / close[-3])", "swing_high", "Williams, Trading Chaos", "warm-up"):
        assert words in out
    assert "24 features; no page: lane seen: the lake has no 5m bars of MES" in err.replace("\n", " ")
    code, out, err = run(monkeypatch, capsys, tmp_path, "--session", "last", "--json")
    assert (code, json.loads(out)["error"]) == (3, "DataUnavailable")
    code, _, _ = run(monkeypatch, capsys, tmp_path, "--out", tmp_path / "out")
    assert code == 3


def test_the_page_lies_where_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    code, out, _ = run(monkeypatch, capsys, tmp_path, "--json")
    found = json.loads(out)
    assert code == 0
    assert [one["name"] for one in found["features"]][:4] == ["return_1", "log_return_1", "return_3", "log_return_3"]
    assert set(found["features"][0]) >= {"name", "group", "formula", "unit", "warm_up", "kind", "inputs", "source"}
    assert (len(found["features"]), found["why_no_page"]) == (24, None)
    html = Path(found["page"])
    assert html == tmp_path / "state" / "shown" / "seen" / "2021-07-14" / "features.html"
    assert "MESU21, session of 2021-07-14" in html.read_text()
    assert html.with_name("structure.svg").is_file()

    code, out, _ = run(monkeypatch, capsys, tmp_path, "--session", DAY, "--out", tmp_path / "here", "--json")
    assert Path(json.loads(out)["page"]) == tmp_path / "here" / "features.html"
    assert (tmp_path / "here" / "features.html").read_bytes() == html.read_bytes(), "the same page every time"


def test_a_day_without_a_session_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    code, out, _ = run(monkeypatch, capsys, tmp_path, "--session", "2021-07-17", "--json")
    assert (code, json.loads(out)["error"]) == (3, "BadInput")
