"""The quality rules in Dagster: a row a rule, merged over the partitions; only a broken file stops the lane."""

import warnings
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import assets
from pipelines.check_data import main
from pipelines.partitions import session_partitions
from resources import DatabentoResource, HomeResource
from scalper.lake import Lake, bar_keys
from scalper.lake.quality.check import rules
from scalper.lane import quality
from scalper.market import Session, sessions
from scalper.settings import Home, Lane, load_lane
from tests.lake.support import rows_of
from tests.lane.support import write_lane

HELD = sessions("MES", date(2026, 9, 21), date(2026, 10, 30))
DAYS = [one.date for one in HELD]


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    """A lane over thirty imported sessions of which the fifth has a price off the grid."""
    home = tmp_path / "home"
    features = {"ema": [3, 5, 8], "higher": ["15m", "30m"]}
    span = {"start": "2026-09-21", "end": "2026-10-30"}
    path = write_lane(tmp_path, source="import", interval="5m", features=features, sandbox={}, **span)
    for one in HELD:
        write(home, one)
    write(home, HELD[4], close=0.1)
    return load_lane(path)


def write(home: Path, one: Session, **add: float) -> Path:
    frame = rows_of(one, interval="5m")
    steps = pl.int_range(pl.len()) % 2 * 0.25  # so that prices never stand still
    prices = [pl.col(name) + steps + add.get(name, 0.0) for name in ("open", "high", "low", "close")]
    lake = Lake(home / "data_lake")
    keys = bar_keys("import", "MES", "5m", one.date)
    lake.write("bars", keys, frame.with_columns(prices))
    return lake.path("bars", keys)


def run(lane: Lane, home: Path, first: date, last: date) -> dg.ExecuteInProcessResult:
    """Bars and their checks over some partitions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = [assets.build_bars(lane, session_partitions(lane)), assets.build_quality(lane)]
        job = dg.Definitions(
            assets=[built[0]],
            asset_checks=[built[1]],
            jobs=[dg.define_asset_job("judge", selection=dg.AssetSelection.all())],
            resources={"home": HomeResource(root=str(home)), "databento": DatabentoResource()},
        ).resolve_job_def("judge")
        return job.execute_in_process(
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def test_a_row_a_rule_over_what_was_judged_so_far(lane: Lane, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(lane, home, DAYS[0], DAYS[9])
    assert done.success
    rows = {one.check_name: one for one in done.get_asset_check_evaluations()}
    assert set(rows) == {rule.id for rule in rules(lane.quality)}
    assert [name for name, one in rows.items() if not one.passed] == ["grid"]
    assert {one.severity for one in rows.values()} == {dg.AssetCheckSeverity.WARN}
    grid = rows["grid"].metadata
    assert (grid["value"].value, grid["sessions checked"].value) == (1, 10)
    assert grid["examples"].value == f"| session | found |\n| --- | --- |\n| {DAYS[4]} | 276 bars off the grid |"
    assert Path(str(grid["report"].value)).is_file()

    later = {one.check_name: one for one in run(lane, home, DAYS[10], DAYS[19]).get_asset_check_evaluations()}
    grid = later["grid"].metadata
    assert (grid["value"].value, grid["sessions checked"].value) == (1, 20)  # the first run's verdicts are still there
    assert grid["this run"].value == "0 of 10 sessions fail"
    assert not later["grid"].passed
    assert list(quality(lane, Home(root=home)).quarantined) == [DAYS[4]]


def test_a_broken_file_stops_the_lane_and_has_a_row(lane: Lane, tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = write(home, HELD[3])
    path.write_bytes(path.read_bytes()[:200])
    done = run(lane, home, DAYS[3], DAYS[3])
    assert not done.success
    (row,) = done.get_asset_check_evaluations()
    assert (row.check_name, row.passed, row.severity, row.blocking) == (
        "schema",
        False,
        dg.AssetCheckSeverity.ERROR,
        True,
    )
    assert "date=2026-09-24" in str(row.description) and "delete it and make it again" in str(row.description)


def test_only_stale_verdicts_are_made_anew(lane: Lane, tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    first = quality(lane, home)
    assert list(first.sessions) == DAYS and list(first.quarantined) == [DAYS[4]]
    assert quality(lane, home) == first
    write(home.root, HELD[4])
    write(home.root, HELD[27], close=0.1)
    again = quality(lane, home)
    assert list(again.sessions) == DAYS and list(again.quarantined) == [DAYS[27]]
    assert again.sessions[DAYS[26]].made_of == first.sessions[DAYS[26]].made_of  # no neighbour of either


def test_the_gate_of_ci(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCALPER_HOME", str(tmp_path / "nothing"))
    assert main(tmp_path) == 0
    assert "tiny: not checked: lane tiny: the lake has no 5m bars of MES" in capsys.readouterr().err
    home = tmp_path / "home"
    monkeypatch.setenv("SCALPER_HOME", str(home))
    assert main(tmp_path) == 4  # one of thirty is more than the gate's 3 %
    said = capsys.readouterr().err
    assert "tiny: FAILED: 3.3% of the sessions are quarantined, at most 3% may be" in said
    assert f"grid: 1 of 30 sessions: {DAYS[4]}" in said
    write(home, HELD[4])
    assert main(tmp_path) == 0
    assert "tiny: ok; 0 of 30 sessions are quarantined, 0 missing" in capsys.readouterr().err
    write(home, HELD[6]).write_bytes(b"PAR1")
    assert main(tmp_path) == 4
    assert "date=2026-09-29" in capsys.readouterr().err
