"""Features and labels in one pass: the same files as one after the other, whatever the threads, whenever killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalper import clock
from scalper import lane as stages
from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake, bar_keys
from scalper.lake.seal import SEAL_KEY, is_sealed
from scalper.lane import making, rows
from scalper.lane.making import INPUT, KINDS, Maker, Recipe
from scalper.lane.quality import usable
from scalper.learn.session import labels_of, prepare
from scalper.market import Session
from scalper.settings import Home, Lane
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")


def files(home: Home) -> dict[str, bytes]:
    """Every file of features and labels, by its name."""
    found = (path for kind in KINDS for path in sorted((home.lake / kind).rglob("*")) if path.is_file())
    return {str(path.relative_to(home.lake)): path.read_bytes() for path in found}


@pytest.fixture
def bare(ran: Ran, tmp_path: Path) -> Home:
    """The lane's home without features and labels."""
    home = Home(root=tmp_path / "home")
    shutil.copytree(ran.home.lake, home.lake)
    for kind in KINDS:
        shutil.rmtree(home.lake / kind)
    return home


def keys(lane: Lane, day: date) -> dict[str, str]:
    return {"lane": lane.name, "date": day.isoformat()}


@pytest.mark.parametrize(("threads", "block"), [(1, 100), (2, 1), (3, 5)])
def test_threads_and_blocks_change_no_byte(
    ran: Ran, bare: Home, monkeypatch: pytest.MonkeyPatch, threads: int, block: int
) -> None:
    monkeypatch.setattr(rows, "THREADS", threads)
    monkeypatch.setattr(rows, "BLOCK", block)
    seen: list[tuple[int, int]] = []
    reports = stages.materialise(ran.lane, bare, progress=lambda done, total: seen.append((done, total)))
    made = files(bare)
    assert made == files(ran.home)
    assert len(made) == 2 * reports["features"].done == 2 * reports["labels"].done
    assert reports["features"].rows == reports["labels"].rows > 1000
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (reports["features"].done,) * 2
    again = stages.materialise(ran.lane, bare)
    assert {one.done for one in again.values()} == {0}
    assert files(bare) == made


def test_one_stage_after_the_other_writes_the_same(ran: Ran, bare: Home) -> None:
    assert stages.features(ran.lane, bare).done > 0
    assert stages.labels(ran.lane, bare).done > 0
    assert files(bare) == files(ran.home)


def test_files_hold_what_a_session_prepared_by_itself_has(ran: Ran) -> None:
    """Against the way of the simulation: its own reading, carrying and context, every row, then the kept ones."""
    lane, lake = ran.lane, Lake(ran.home.lake)
    every = stages.calendar(lane)
    at = {one.date: index for index, one in enumerate(every)}
    for one in usable(lane, ran.home)[1::4]:
        ready = prepare(lake, lane, one, every[at[one.date] - 1])
        features, labels = (lake.read(kind, keys(lane, one.date)) for kind in KINDS)
        x = ready.block.x[ready.rows]
        assert features["ts_ns"].to_list() == ready.bars["ts_ns"][ready.rows].tolist()
        for column, name in enumerate(features.columns[1:-1]):
            assert features[name].to_numpy().tobytes() == np.ascontiguousarray(x[:, column]).tobytes(), name
        volatility = ready.block.volatility.astype(np.float32)
        assert np.array_equal(features["volatility_ticks"].to_numpy(), volatility[ready.rows])
        made = labels_of(lane, ready.bars, ready.timetable, volatility, ready.rows)
        for name in labels.columns[1:]:
            assert np.array_equal(labels[name].to_numpy(), made[name], equal_nan=name == "move_ticks"), name


def test_the_bars_of_a_session_are_read_once(ran: Ran, bare: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[date] = []
    plain = making.held

    def noting(lake: Lake, lane: Lane, session: Session) -> object:
        read.append(session.date)
        return plain(lake, lane, session)

    monkeypatch.setattr(making, "held", noting)
    monkeypatch.setattr(rows, "BLOCK", 10)
    sessions = stages.materialise(ran.lane, bare)["features"].done
    blocks = -(-sessions // 10)
    assert len(read) <= sessions + blocks
    assert len(set(read)) >= sessions


@pytest.mark.long
def test_a_kill_leaves_whole_files_and_the_next_run_makes_the_rest(ran: Ran, bare: Home) -> None:
    """SIGKILL after the first files: what is there is what belongs there, and nothing else lies in the lake."""
    script = "from scalper import lane; from scalper.settings import Home, load_lane; import sys, pathlib; "
    script += "lane.materialise(load_lane(pathlib.Path(sys.argv[1])), Home(root=pathlib.Path(sys.argv[2])))"
    command = [sys.executable, "-W", "ignore", "-c", script, str(ran.path), str(bare.root)]
    running = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL)
    while running.poll() is None and sum(1 for _ in bare.lake.glob("features/*/*/part.parquet")) < 3:
        clock.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.wait()
    whole, left = files(ran.home), files(bare)
    assert left.items() <= whole.items()
    stages.materialise(ran.lane, bare)
    assert files(bare) == whole


def test_labels_alone_need_the_features_of_these_bars(ran: Ran, bare: Home) -> None:
    lane, lake = ran.lane, Lake(bare.lake)
    day = usable(lane, bare)[3].date
    with pytest.raises(DataUnavailable, match=r"no features for .*run the lane's earlier stages first"):
        stages.labels(lane, bare, [day])
    stages.features(lane, bare, [day])
    table = lake.read("features", keys(lane, day))
    lake.write("features", keys(lane, day), table.with_columns(pl.col("ts_ns") + 1))
    with pytest.raises(BadInput, match=f"session {day}: the features in the lake stand on other bars"):
        stages.labels(lane, bare, [day])
    assert not lake.exists("labels", keys(lane, day))


def flipped(path: Path, at: float) -> None:
    """One bit of the file is another, this far into it."""
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    path.write_bytes(data)


def edited(path: Path) -> None:
    """One number is another, in a file that a program of its own wrote, with all the metadata of the old one."""
    table = pq.read_table(path)
    first = table.column(1).to_numpy().copy()
    first[first.size // 2] += 1
    pq.write_table(table.set_column(1, table.field(1), pa.array(first)), path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["start", "middle", "footer", "end", "cut", "empty", "edited"])
def test_a_damaged_or_edited_file_is_made_again(ran: Ran, bare: Home, kind: str, way: str) -> None:
    lane, lake = ran.lane, Lake(bare.lake)
    days = [one.date for one in usable(lane, bare)[3:5]]
    stages.materialise(lane, bare, days)
    whole, path = files(bare), lake.path(kind, keys(lane, days[0]))
    before = path.stat()
    if way == "edited":
        told = lake.metadata(kind, keys(lane, days[0]))
        edited(path)
        assert lake.metadata(kind, keys(lane, days[0])).items() >= told.items()
    elif way in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 1000 if way == "cut" else 0])
    else:
        flipped(path, {"start": 0, "middle": 0.5, "footer": 0.97, "end": 1}[way])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files(bare) != whole
    with pytest.raises(BadInput, match=f"{kind}/lane=tiny/date={days[0]}.* run the lane again"):
        lake.metadata(kind, keys(lane, days[0]), sealed=True)
    assert (stages.features if kind == "features" else stages.labels)(lane, bare, days).done == 1
    assert files(bare) == whole
    assert {one.done for one in stages.materialise(lane, bare, days).values()} == {0}


def test_a_flip_of_any_byte_breaks_the_seal(ran: Ran) -> None:
    path = next((ran.home.lake / "labels").rglob("part.parquet"))
    data = bytearray(path.read_bytes())
    assert is_sealed(memoryview(data))
    for at in {*range(0, len(data), 97), *range(len(data) - 1500, len(data))}:
        data[at] ^= 4
        assert not is_sealed(memoryview(data)), at
        data[at] ^= 4
    assert is_sealed(memoryview(data))


def test_labels_made_on_old_features_are_made_again_on_new_ones(ran: Ran, bare: Home) -> None:
    lane, lake = ran.lane, Lake(bare.lake)
    day = usable(lane, bare)[3].date
    stages.materialise(lane, bare, [day])
    whole = lake.read("labels", keys(lane, day))
    lake.write("features", keys(lane, day), lake.read("features", keys(lane, day)).head(50), {INPUT: "older"})
    assert stages.labels(lane, bare, [day]).rows == 50
    assert stages.features(lane, bare, [day]).rows == whole.height
    assert stages.labels(lane, bare, [day]).rows == whole.height
    assert lake.read("labels", keys(lane, day)).equals(whole)


def test_by_volume_a_session_s_context_hangs_on_the_session_before_the_one_before(ran: Ran, bare: Home) -> None:
    lane, lake = ran.lane.model_copy(update={"roll": "volume"}), Lake(bare.lake)
    first, second, third = (one for one in usable(lane, bare)[3:6])
    recipe = Recipe(lane)

    def made() -> dict[str, int]:
        return Maker(lane, lake, recipe, recipe.scan()).make(third, second, KINDS).rows

    assert set(made()) == set(KINDS) and made() == {}
    assert lake.read("features", keys(lane, third.date))["prior_close"].null_count() == 0
    where = bar_keys(lane.source_key, lane.symbol, lane.interval, first.date)
    bars = lake.read("bars", where)
    more = bars.with_columns(contract=pl.lit("MESU25"), volume=2 * pl.col("volume"))
    lake.write("bars", where, pl.concat([bars, more]).sort("ts_ns", "contract"))
    assert set(made()) == set(KINDS)  # the session between is flat now: it leaves no context
    assert lake.read("features", keys(lane, third.date))["prior_close"].is_nan().all()


def test_bars_that_cannot_be_used_are_named_by_their_session(ran: Ran, bare: Home) -> None:
    lane, lake = ran.lane, Lake(bare.lake)
    before, one = usable(lane, bare)[3:5]
    where = bar_keys(lane.source_key, lane.symbol, lane.interval, one.date)
    odd = lake.read("bars", where).with_columns(low=pl.col("low") - 0.1)
    lake.write("bars", where, odd)
    recipe = Recipe(lane)
    maker = Maker(lane, lake, recipe, recipe.scan())
    with pytest.raises(BadInput, match=f"lane tiny, session {one.date}: row 1 .*tick grid"):
        maker.make(one, before, KINDS)
    assert not lake.exists("features", keys(lane, one.date))


@pytest.mark.parametrize("kinds", [KINDS, ("features",)])
def test_flow_that_the_bars_lack_is_refused_before_anything_is_written(
    ran: Ran, bare: Home, kinds: tuple[str, ...]
) -> None:
    deaf = ran.lane.model_copy(update={"features": ran.lane.features.model_copy(update={"groups": ("trades",)})})
    day = usable(deaf, bare)[0].date
    with pytest.raises(BadInput, match=f"session {day}: its bars of .* tell nothing of ask_volume, bid_volume"):
        stages.materialise(deaf, bare, [day], kinds)
    assert files(bare) == {}


def test_arrays_are_read_back_as_they_were(tmp_path: Path) -> None:
    """By polars, pandas and DuckDB; an empty table keeps its columns."""
    import duckdb
    import pandas as pd

    lake, rng = Lake(tmp_path), np.random.default_rng(1)
    table = {"ts_ns": np.arange(5), "a": rng.random(5, np.float32), "b": np.array([-1, 0, 1, 2, 127], np.int8)}
    table["a"][2] = np.nan
    for name, size in (("full", 5), ("none", 0)):
        where = {"lane": name, "date": "2026-11-18"}
        lake.write("features", where, {key: column[:size] for key, column in table.items()}, {"note": "by hand"})
        path = lake.path("features", where)
        for found in (lake.read("features", where).to_dict(), pd.read_parquet(path).to_dict("series")):
            for key, column in table.items():
                assert np.array_equal(found[key].to_numpy(), column[:size], equal_nan=key == "a")
                assert found[key].to_numpy().dtype == column.dtype
        assert duckdb.read_parquet(str(path)).fetchnumpy()["b"].tolist() == table["b"][:size].tolist()
        told = lake.metadata("features", where, sealed=True)
        assert told.pop(SEAL_KEY).startswith("sha256:")
        assert told == {"scalper.schema": "features/1", "note": "by hand"}
    assert lake.read("features", {"lane": "full", "date": "2026-11-18"}, ["ts_ns", "b"]).columns == ["ts_ns", "b"]
    with pytest.raises(BadInput, match="column a: no table is made of arrays of bool"):
        lake.write("features", {"lane": "x"}, {"ts_ns": np.arange(2), "a": np.array([True, False])})
