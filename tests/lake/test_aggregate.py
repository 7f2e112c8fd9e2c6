"""Coarser session files from finer ones: made, fresh, stale, left alone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from scalper.errors import BadInput, Refused
from scalper.lake import Lake, aggregate, bar_keys, import_files
from scalper.lake.aggregate import derive, finer
from scalper.lake.schema import FRONT_KEYS, MADE_OF_KEY
from scalper.lake.transaction import Transaction, transaction
from scalper.market import INTERVALS, Session, aggregate_frame
from tests.lake.support import a_session, as_parquet, digest, rows_of

DAYS = [a_session("2026-11-18"), a_session("2026-11-19")]


def keys(interval: str, one: Session = DAYS[0]) -> dict[str, str]:
    return bar_keys("import", "MES", interval, one.date)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A session of seconds and minutes, and one of minutes."""
    lake = Lake(tmp_path / "lake")
    lake.write("bars", keys("1s"), rows_of(DAYS[0], interval="1s"), {FRONT_KEYS["c"]: "MESZ26"})
    lake.write("bars", keys("1m"), rows_of(DAYS[0], interval="1m"))
    lake.write("bars", keys("1m", DAYS[1]), rows_of(DAYS[1], interval="1m"))
    return lake


def test_from_the_finest_that_divides_it() -> None:
    assert finer("1s") == []
    assert finer("15s") == ["1s", "5s"]
    assert finer("1h") == list(INTERVALS)[:-1]
    assert finer("1d") == list(INTERVALS)
    with pytest.raises(BadInput, match="'7m' is no interval"):
        finer("7m")


def test_made_once_and_again_when_its_base_changes(lake: Lake) -> None:
    report = derive(lake, "import", "MES", "5m", DAYS)
    assert report.as_dict() == {
        "interval": "5m",
        "made": 2,
        "fresh": 0,
        "own": 0,
        "missing": 0,
        "made_of": {"1s": 1, "1m": 1},
    }
    told = lake.metadata("bars", keys("5m"))
    assert told[MADE_OF_KEY] == f"1s {lake.digest('bars', keys('1s'))}"
    assert told[FRONT_KEYS["c"]] == "MESZ26"
    held = lake.read("bars", keys("5m"))
    assert held.equals(aggregate_frame(lake.read("bars", keys("1s")), "5m", DAYS[0]))
    assert (len(held), held["volume"].sum()) == (276, 7 * 82_800)
    before = digest(lake.root)
    again = derive(lake, "import", "MES", "5m", DAYS)
    assert (again.made, again.fresh, digest(lake.root)) == ([], 2, before)
    lake.write("bars", keys("1s"), rows_of(DAYS[0], interval="1s", price=6100.0))
    assert derive(lake, "import", "MES", "5m", DAYS).made == [DAYS[0].date]
    assert lake.read("bars", keys("5m"))["low"].min() > 6080
    assert derive(lake, "import", "MES", "5m", DAYS).fresh == 2


@pytest.mark.parametrize("contract", ["MESZ26", "MESH27"])
def test_of_the_fullest_base_not_of_the_finest(lake: Lake, contract: str) -> None:
    """Ten minutes of seconds, of whatever contract, do not stand for a session; as many do, of the same volume."""
    lake.write("bars", keys("1s"), rows_of(DAYS[0], contract, "1s", count=600))
    assert derive(lake, "import", "MES", "5m", DAYS).bases == {"1m": 2}
    held = lake.read("bars", keys("5m"))
    assert held.equals(aggregate_frame(lake.read("bars", keys("1m")), "5m", DAYS[0]))
    whole = rows_of(DAYS[0], interval="1s")
    lake.write("bars", keys("1s"), whole)
    lake.write("bars", keys("1m"), aggregate_frame(whole, "1m", DAYS[0]))
    assert derive(lake, "import", "MES", "5m", DAYS).bases == {"1s": 1}


def test_bars_of_their_own_are_left_alone(lake: Lake) -> None:
    before = digest(lake.root)
    report = derive(lake, "import", "MES", "1m", DAYS)
    assert (report.own, report.made, digest(lake.root)) == (2, [], before)


def test_an_import_takes_the_place_of_what_was_made(lake: Lake, tmp_path: Path) -> None:
    """Bars that differ from the derived ones are no contradiction, and derive leaves them alone from then on."""
    derive(lake, "import", "MES", "5m", DAYS)
    own = rows_of(DAYS[0], interval="5m", price=6100.0)
    report = import_files(lake, [as_parquet(own, tmp_path / "own.parquet")], symbol="MES", interval="5m")
    assert (report.bars, report.dropped) == (len(own), {})
    assert MADE_OF_KEY not in lake.metadata("bars", keys("5m"))
    again = derive(lake, "import", "MES", "5m", DAYS)
    assert (again.own, again.fresh, again.made) == (1, 1, [])
    assert lake.read("bars", keys("5m")).equals(own)


def test_what_was_made_stays_when_its_base_goes(lake: Lake) -> None:
    derive(lake, "import", "MES", "1h", DAYS[1:])
    lake.delete("bars", keys("1m", DAYS[1]))
    report = derive(lake, "import", "MES", "1h", [*DAYS[1:], a_session("2026-11-20")])
    assert (report.made, report.own, report.missing) == ([], 1, 1)
    assert lake.exists("bars", keys("1h", DAYS[1]))


def test_a_bar_a_session(lake: Lake) -> None:
    derive(lake, "import", "MES", "1d", DAYS)
    row = lake.read("bars", keys("1d", DAYS[1])).row(0, named=True)
    minutes = lake.read("bars", keys("1m", DAYS[1]))
    assert (row["ts_ns"], row["contract"]) == (DAYS[1].open_ns, "MESZ26")
    assert (row["open"], row["close"]) == (minutes["open"][0], minutes["close"][-1])
    assert (row["high"], row["low"]) == (minutes["high"].max(), minutes["low"].min())
    assert row["volume"] == minutes["volume"].sum()
    assert lake.dates("bars", {"source": "import", "symbol": "MES", "interval": "1d"}) == [one.date for one in DAYS]


def test_contracts_stay_apart(lake: Lake) -> None:
    both = pl.concat([rows_of(DAYS[0]), rows_of(DAYS[0], contract="MESH27", price=6050.0)]).sort("ts_ns", "contract")
    lake.write("bars", keys("1m"), both)
    lake.delete("bars", keys("1s"))
    derive(lake, "import", "MES", "1h", DAYS[:1])
    held = lake.read("bars", keys("1h"))
    assert held.sort("ts_ns", "contract").equals(held)
    for contract in ("MESZ26", "MESH27"):
        alone = both.filter(pl.col("contract") == contract)
        assert held.filter(pl.col("contract") == contract).equals(aggregate_frame(alone, "1h", DAYS[0]))


def test_progress_and_an_unknown_interval(lake: Lake) -> None:
    seen: list[tuple[int, int]] = []
    derive(lake, "import", "MES", "15m", DAYS, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(BadInput, match="'1w' is no interval"):
        derive(lake, "import", "MES", "1w", DAYS)


def test_nothing_is_made_while_another_writes(lake: Lake) -> None:
    before = digest(lake.root)
    with lake.storage.lock(), pytest.raises(Refused):
        derive(lake, "import", "MES", "15m", DAYS)
    assert digest(lake.root) == before


def test_not_of_what_was_made_of_a_base_that_is_there(lake: Lake) -> None:
    """The seconds have changed since the minutes were made of them."""
    lake.delete("bars", keys("1m"))
    derive(lake, "import", "MES", "1m", DAYS[:1])
    lake.write("bars", keys("1s"), rows_of(DAYS[0], interval="1s", count=3600))
    assert derive(lake, "import", "MES", "5m", DAYS[:1]).bases == {"1s": 1}
    lake.delete("bars", keys("1s"))
    assert derive(lake, "import", "MES", "5m", DAYS[:1]).bases == {"1m": 1}


def test_what_comes_in_before_the_lock_is_left_alone(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = rows_of(DAYS[0], interval="5m", price=6100.0)

    def later(of: Lake, identity: str) -> AbstractContextManager[Transaction]:
        import_files(of, [as_parquet(own, tmp_path / "own.parquet")], symbol="MES", interval="5m")
        return transaction(of, identity)

    monkeypatch.setattr(aggregate, "transaction", later)
    report = derive(lake, "import", "MES", "5m", DAYS)
    assert (report.made, report.own, report.bases) == ([DAYS[1].date], 1, {"1m": 1})
    assert lake.read("bars", keys("5m")).equals(own)


def test_half_a_derivation_is_none(lake: Lake) -> None:
    """The second base is damaged: the first session is not published either."""
    lake.path("bars", keys("1m", DAYS[1])).write_bytes(b"no parquet")
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        derive(lake, "import", "MES", "15m", DAYS)
    assert lake.dates("bars", {"source": "import", "symbol": "MES", "interval": "15m"}) == []


def test_another_source_is_another_lake(lake: Lake) -> None:
    assert derive(lake, "databento", "MES", "5m", DAYS).missing == len(DAYS)
    assert date(2026, 11, 18) in lake.dates("bars", {"source": "import", "symbol": "MES", "interval": "1m"})
