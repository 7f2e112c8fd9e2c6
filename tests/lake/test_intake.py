"""The way in, against a slow importer that goes row by row; and what merging, naming and writing promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake import ImportReport, Lake, bar_keys
from scalper.lake.aggregate import derive
from scalper.lake.files import importing as importing_module
from scalper.lake.files.checks import NEVER, RowChecks, first_fault
from scalper.lake.files.importing import bring_in
from scalper.lake.files.places import NOTHING, NOWHERE, Calendar
from scalper.lake.files.readers import DAILY, KNOWN, OUTSIDE, UNTRADED, Chunk, Source
from scalper.lake.schema import BARS, FLOW, FRONT_KEYS
from scalper.market import front_contract, instrument, locate, sessions
from tests.lake.support import digest, rows_of

MINUTE5 = 300_000_000_000
START = int(datetime(2021, 3, 12, 18, tzinfo=UTC).timestamp()) * 10**9  # a Friday before a clock change, with a halt
SLOTS = 900
CONTRACTS = ("ESH21", "ESM21", "ESU21")
WEEK = sessions("ES", date(2021, 3, 10), date(2021, 3, 20))
COLUMNS = ("ts_ns", "contract", "open", "high", "low", "close", "volume", "trades", "bid_volume")
Row = dict[str, Any]
Bars = dict[date, dict[tuple[int, str], Row]]


# ------------------------------------------------------------ files of rows


@dataclass(frozen=True)
class Rows:
    """A file: its rows in order, and where its chunks end."""

    rows: list[Row]
    cuts: list[int] = field(default_factory=list[int])
    told: tuple[str, ...] = ()

    def chunks(self) -> Iterator[Chunk]:
        kinds = {"row": pl.Int64(), **{name: BARS.get(name, pl.Int64()) for name in (*COLUMNS[:7], *self.told)}}
        edges = [0, *sorted(self.cuts), len(self.rows)]
        for start, end in pairwise(edges):
            part = [{"row": start + i + 1, **row} for i, row in enumerate(self.rows[start:end])]
            yield Chunk(pl.DataFrame(part, schema=kinds), end - start, share=end / max(len(self.rows), 1))


def bring(lake: Lake, files: list[Rows], folder: Path, **more: Any) -> ImportReport:
    """Import such files; each has a name and bytes of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.rows" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        path.write_text(repr(file.rows))
    opened = dict(zip(paths, files, strict=True))
    interval = more.pop("interval", "5m")

    def opener(path: Path) -> list[Source]:
        return [Source(path, interval, opened[path].chunks(), checked=True)]

    keys = {"source": "import", "symbol": "ES", "request": {"kind": "test"}}
    return bring_in(lake, paths, opener, **keys, **more)


def a_row(slot: int, contract: str | None, variant: int = 0, *, told: tuple[str, ...] = (), volume: int = 5) -> Row:
    """A bar whose values follow from its key, so that two files agree on it unless the variant differs."""
    mix = (slot * 31 + CONTRACTS.index(contract or CONTRACTS[0]) * 7 + variant * 13) % 97
    o, c = 16_000 + mix % 11, 16_000 + mix % 7
    prices = {"open": o / 4, "high": (max(o, c) + mix % 3) / 4, "low": (min(o, c) - mix % 2) / 4, "close": c / 4}
    flow = {"trades": 1 + mix % 5, "bid_volume": mix % 6}
    stamp = START + slot * MINUTE5
    return {"ts_ns": stamp, "contract": contract, **prices, "volume": volume} | {name: flow[name] for name in told}


@st.composite
def files_of_rows(draw: st.DrawFn) -> list[Rows]:
    """One to three files: contracts interleaved or in blocks, gaps, rows outside, zero volume, a fault now and then."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    files: list[Rows] = []
    for _ in range(draw(st.integers(1, 3))):
        told = draw(st.sampled_from([(), ("trades",), ("trades", "bid_volume")]))
        names = draw(st.sampled_from([(None,), CONTRACTS[:1], CONTRACTS[:2], CONTRACTS]))
        first = int(random.integers(0, SLOTS // 2))
        rows: list[Row] = []
        for name in names:
            slots = np.sort(random.choice(np.arange(first, SLOTS), int(random.integers(1, 40)), replace=False))
            for slot in slots.tolist():
                variant = int(draw(st.integers(0, 1)) and random.random() < 0.02)
                row = a_row(slot, name, variant, told=told, volume=int(random.random() > 0.05) * 5)
                rows.append(row | {one: None for one in told if random.random() < 0.3})
        if draw(st.booleans()):  # by time; the contracts of one stamp in any order
            order = random.permutation(len(rows)).tolist()
            rows = sorted((rows[i] for i in order), key=lambda row: row["ts_ns"])
        fault = draw(st.sampled_from([None] * 9 + ["open", "high", "volume", "order", "trades"]))
        if fault is not None:
            _spoil(rows, fault, int(random.integers(0, len(rows))))
        cuts = random.integers(0, len(rows) + 1, int(random.integers(0, 4))).tolist()
        files.append(Rows(rows, cuts, told))
    return files


def _spoil(rows: list[Row], fault: str, at: int) -> None:
    wrong = {"open": {"open": 4000.1}, "high": {"high": 3000.0}, "volume": {"volume": -1}, "trades": {"trades": -1}}
    if fault == "order":
        rows.insert(at, rows[-1] | {})
    elif fault in rows[at]:
        rows[at] |= wrong[fault]


# ------------------------------------------------------- the slow importer


@dataclass
class Slow:
    """Row by row over Python dictionaries."""

    bars: Bars = field(default_factory=dict[date, dict[tuple[int, str], Row]])
    wrong: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("kept", "bars", KNOWN, OUTSIDE, UNTRADED), 0))

    def take(self, number: int, rows: list[Row]) -> None:
        last: dict[str | None, int] = {}
        for at, row in enumerate(rows):
            if _faulty(row, last.get(row["contract"])):
                self.wrong.add((number, at + 1))
                return
            last[row["contract"]] = row["ts_ns"]
            if row["volume"] == 0:
                self.counts[UNTRADED] += 1
                continue
            index = int(locate(np.array([row["ts_ns"]]), WEEK)[0])
            if index < 0:
                self.counts[OUTSIDE] += 1
                continue
            self._merge(number, at + 1, WEEK[index].date, row)

    def _merge(self, number: int, at: int, day: date, row: Row) -> None:
        contract = row["contract"] or front_contract("ES", day, "monday")
        here = self.bars.setdefault(day, {})
        key = (row["ts_ns"], contract)
        if key not in here:
            here[key] = {name: row.get(name) for name in COLUMNS} | {"contract": contract}
            self.counts["kept"] += 1
            self.counts["bars"] += 1
            return
        held = here[key]
        if any(held[name] != row[name] for name in COLUMNS[2:7]) or any(
            held[name] is not None and row.get(name) is not None and held[name] != row[name] for name in COLUMNS[7:]
        ):
            self.wrong.add((number, at))
            return
        new = {name: row[name] for name in COLUMNS[7:] if held[name] is None and row.get(name) is not None}
        held |= new
        self.counts["kept" if new else KNOWN] += 1


def _faulty(row: Row, before: int | None) -> bool:
    prices = [row[name] for name in ("open", "high", "low", "close")]
    return (
        any(price * 4 % 1 for price in prices)
        or row["high"] < max(prices)
        or row["low"] > min(prices)
        or row["volume"] < 0
        or (row.get("trades") or 0) < 0
        or (before is not None and row["ts_ns"] <= before)
    )


@given(files_of_rows(), st.integers(1, 400))
@settings(max_examples=100)
def test_any_import_is_that_of_the_slow_importer(
    tmp_path_factory: pytest.TempPathFactory, files: list[Rows], flush: int
) -> None:
    folder = tmp_path_factory.mktemp("slow")
    slow = Slow()
    for number, file in enumerate(files):
        slow.take(number, file.rows)
    lake = Lake(folder / "lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scalper.lake.files.intake.FLUSH", flush)
        if slow.wrong:
            with pytest.raises(BadInput) as refusal:
                bring(lake, files, folder)
            assert any(f"{number}.rows: row {row}: " in str(refusal.value) for number, row in slow.wrong)
            assert not (lake.root / "bars").exists()
            return
        report = bring(lake, files, folder)
    dropped = {why: slow.counts[why] for why in (KNOWN, OUTSIDE, UNTRADED) if slow.counts[why]}
    assert (report.rows_kept, report.bars, report.dropped) == (slow.counts["kept"], slow.counts["bars"], dropped)
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())
    assert report.sessions == [day.isoformat() for day in sorted(slow.bars)]
    for day, bars in slow.bars.items():
        stored = lake.read("bars", bar_keys("import", "ES", "5m", day))
        assert stored.select(COLUMNS).rows(named=True) == [bars[key] for key in sorted(bars)]
    whole = Lake(folder / "whole")
    bring(whole, [Rows(file.rows, [], file.told) for file in files], folder)
    assert digest(whole.root) == digest(lake.root)  # wherever chunks end and whenever sessions are written


# ------------------------------------------------------------------ merging


def test_instruments_unsorted_at_a_stamp_are_stored_sorted(tmp_path: Path) -> None:
    rows = [a_row(slot, name) for slot in (10, 11) for name in ("ESU21", "ESH21", "ESM21")]
    lake = Lake(tmp_path / "lake")
    assert bring(lake, [Rows(rows)], tmp_path).bars == 6
    stored = lake.read("bars", bar_keys("import", "ES", "5m", date(2021, 3, 12)))
    assert stored["contract"].to_list() == ["ESH21", "ESM21", "ESU21"] * 2


def test_a_bar_is_enriched_and_its_file_keeps_its_metadata(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    keys = bar_keys("import", "ES", "5m", date(2021, 3, 12))
    plain = [a_row(slot, "ESH21") for slot in range(5)]
    fronts = {date(2021, 3, 12): {FRONT_KEYS["v"]: "ESH21"}}
    bring(lake, [Rows(plain)], tmp_path / "a", fronts=fronts)
    assert lake.read("bars", keys)["trades"].null_count() == 5
    rich = [a_row(slot, "ESH21", told=("trades",)) for slot in range(3, 7)]
    report = bring(lake, [Rows(rich, told=("trades",))], tmp_path / "b")
    assert (report.rows_kept, report.bars, report.enriched, report.dropped) == (4, 2, 2, {})
    stored = lake.read("bars", keys)
    assert stored["trades"].to_list() == [None] * 3 + [row["trades"] for row in rich]
    assert stored["volume"].sum() == 35
    assert lake.metadata("bars", keys)[FRONT_KEYS["v"]] == "ESH21"
    before = digest(lake.root)
    again = bring(lake, [Rows(rich, told=("trades",))], tmp_path / "b")
    assert (again.rows_kept, again.dropped) == (0, {KNOWN: 4})
    poorer = bring(lake, [Rows(plain)], tmp_path / "a", fronts=fronts)
    assert (poorer.rows_kept, poorer.dropped) == (0, {KNOWN: 5})
    assert digest(lake.root) == before


def test_metadata_comes_with_rows_that_are_known(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    rows = [a_row(slot, "ESH21") for slot in range(5)]
    bring(lake, [Rows(rows)], tmp_path)
    report = bring(lake, [Rows(rows)], tmp_path, fronts={date(2021, 3, 12): {FRONT_KEYS["n"]: "ESH21"}})
    assert (report.rows_kept, report.dropped) == (0, {KNOWN: 5})
    keys = bar_keys("import", "ES", "5m", date(2021, 3, 12))
    assert lake.metadata("bars", keys)[FRONT_KEYS["n"]] == "ESH21"
    assert len(lake.read("bars", keys)) == 5


def test_a_manifest_keeps_every_session_that_its_files_hold(tmp_path: Path) -> None:
    """Also those that were there before, and after a second import that brought back only one of them."""
    lake, days = Lake(tmp_path / "lake"), [one.date.isoformat() for one in WEEK[:3]]
    rows = [a_row((one.open_ns - START) // MINUTE5 + k, "ESM21") for one in WEEK[:3] for k in range(3)]
    bring(lake, [Rows(rows[:3])], tmp_path / "a")
    first = bring(lake, [Rows(rows)], tmp_path / "b")
    assert (first.sessions, first.rows_kept) == (days[1:], 6)
    told = json.loads(first.manifest.read_text())
    assert (told["sessions"], told["rows_kept"]) == (days, 6)
    for one in WEEK[:2]:
        lake.delete("bars", bar_keys("import", "ES", "5m", one.date))
        again = bring(lake, [Rows(rows)], tmp_path / "b")
        assert (again.sessions, again.manifest) == ([one.date.isoformat()], first.manifest)
        assert json.loads(again.manifest.read_text()) == told


def test_fewer_bars_in_place_of_aggregated_ones_are_told(tmp_path: Path) -> None:
    lake, one = Lake(tmp_path / "lake"), WEEK[0]
    keys = bar_keys("import", "ES", "5m", one.date)
    base = (one.open_ns - START) // MINUTE5
    whole = [a_row(base + k, "ESM21") for k in range(120)]
    lake.write("bars", bar_keys("import", "ES", "1m", one.date), rows_of(one, "ESM21"))
    derive(lake, "import", "ES", "5m", [one])
    made = len(lake.read("bars", keys))
    report = bring(lake, [Rows(whole[:100])], tmp_path / "a")
    assert report.notes == [
        f"bars aggregated from finer ones gave way to fewer in 1 of the sessions ({one.date}: 100 of ESM21, {made} "
        "before); import the rest, or delete these sessions from the lake and have them aggregated again"
    ]
    assert len(lake.read("bars", keys)) == 100
    assert bring(lake, [Rows(whole[100:])], tmp_path / "b").notes == []
    lake.delete("bars", keys)
    derive(lake, "import", "ES", "5m", [one])
    full = [a_row((stamp - START) // MINUTE5, "ESM21") for stamp in lake.read("bars", keys)["ts_ns"].to_list()]
    assert bring(lake, [Rows(full[:100]), Rows(full[100:])], tmp_path / "c").notes == []


@pytest.mark.parametrize("name", ["close", "volume", "trades"])
def test_a_contradiction_names_file_and_row_in_a_file_of_several_contracts(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path / "lake")
    rows = [a_row(slot, one, told=("trades",)) for slot in range(20) for one in CONTRACTS]
    bring(lake, [Rows(rows, told=("trades",))], tmp_path / "a")
    before = digest(lake.root)
    rows[31] = rows[31] | {name: rows[31]["low"] if name == "close" else 77}
    if name == "close":
        rows[31] |= {"close": rows[31]["high"] if rows[31]["close"] == rows[31]["low"] else rows[31]["low"]}
        if rows[31]["high"] == rows[31]["low"]:
            rows[31] |= {"high": rows[31]["high"] + 1, "close": rows[31]["close"] + 1}
    with pytest.raises(BadInput, match=r"0\.rows: row 32: ESM21 at 2021-03-12T18:50:00Z differs from the 5m bar"):
        bring(lake, [Rows(rows, told=("trades",))], tmp_path / "b")
    assert digest(lake.root) == before


def test_a_file_that_names_a_bar_once_and_once_not_is_refused(tmp_path: Path) -> None:
    rows = [a_row(1, None), a_row(1, "ESH21"), a_row(2, "ESH21")]
    with pytest.raises(BadInput, match=r"row 2: stamp 2021-03-12T18:05:00Z is there twice for ESH21"):
        bring(Lake(tmp_path / "lake"), [Rows(rows)], tmp_path)


# ------------------------------------------------------------------- naming


def test_rows_without_a_contract_are_named_by_the_roll_rule_which_the_report_says(tmp_path: Path) -> None:
    rows = [a_row(slot, None) for slot in range(0, SLOTS, 3)]  # Friday the 12th to Monday the 15th, the roll
    by = {}
    for roll in ("monday", "thursday"):
        lake = Lake(tmp_path / roll)
        report = bring(lake, [Rows(rows)], tmp_path, roll=roll)
        assert report.named_by == roll
        friday = lake.read("bars", bar_keys("import", "ES", "5m", date(2021, 3, 12)))
        by[roll] = (friday["contract"].unique().to_list(), report.contracts)
    assert by == {"monday": (["ESH21"], ["ESH21", "ESM21"]), "thursday": (["ESM21"], ["ESM21"])}
    assert bring(Lake(tmp_path / "c"), [Rows([a_row(1, "ESH21")])], tmp_path).named_by is None
    with pytest.raises(BadInput, match="ask for monday"):
        bring(Lake(tmp_path / "d"), [Rows(rows)], tmp_path, roll="volume")


def test_utc_days_know_no_sessions(tmp_path: Path) -> None:
    day_ns = 24 * 60 * 60 * 10**9
    sunday = START // day_ns * day_ns + 2 * day_ns
    rows = [a_row(0, "ESH21") | {"ts_ns": sunday + number * day_ns, "volume": number % 3} for number in range(4)]
    lake = Lake(tmp_path / "lake")
    report = bring(lake, [Rows(rows)], tmp_path, interval=DAILY)
    assert (report.rows_kept, report.dropped, report.interval) == (2, {UNTRADED: 2}, DAILY)
    assert report.sessions == ["2021-03-15", "2021-03-16"]
    rows[1] |= {"volume": 4, "ts_ns": sunday}
    assert bring(lake, [Rows(rows[1:])], tmp_path / "b", interval=DAILY).sessions == ["2021-03-14"]
    with pytest.raises(BadInput, match=r"row 1: stamp .* does not start a 1d-utc bar"):
        bring(lake, [Rows([a_row(1, "ESH21")])], tmp_path / "c", interval=DAILY)


# --------------------------------------------------------- threads, progress


def test_the_bar_moves_inside_a_file(tmp_path: Path) -> None:
    rows = [a_row(slot, "ESH21") for slot in range(100)]
    seen: list[tuple[int, int]] = []
    files = [Rows(rows, [25, 50, 75]), Rows(rows[:50], [10])]
    bring(Lake(tmp_path / "lake"), files, tmp_path, progress=lambda done, total: seen.append((done, total)))
    sizes = [(tmp_path / f"{number}.rows").stat().st_size for number in range(2)]
    assert {total for _, total in seen} == {sum(sizes)}
    done = [one for one, _ in seen]
    assert done == sorted(done)
    assert done[-1] == sum(sizes)
    assert len({one for one in done if one < sizes[0]}) == 3


def test_an_error_of_the_reader_comes_after_the_rows_before_it(tmp_path: Path) -> None:
    class Broken(Rows):
        def chunks(self) -> Iterator[Chunk]:
            yield from super().chunks()
            raise BadInput("the end is missing")

    good = [a_row(slot, "ESH21") for slot in range(5)]
    with pytest.raises(BadInput, match="the end is missing"):
        bring(Lake(tmp_path / "lake"), [Broken(good)], tmp_path)
    bad = [*good, a_row(2, "ESH21")]
    with pytest.raises(BadInput, match="row 6: stamp"):
        bring(Lake(tmp_path / "lake"), [Broken(bad)], tmp_path)


def test_an_error_of_a_writer_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("scalper.lake.files.intake.write_table", full)
    lake = Lake(tmp_path / "lake")
    with pytest.raises(OSError, match="no space left"):
        bring(lake, [Rows([a_row(slot, "ESH21") for slot in range(5)])], tmp_path)
    assert not (lake.root / "bars").exists()


def test_the_reader_is_only_a_little_ahead() -> None:
    made: list[int] = []

    def chunks() -> Iterator[Chunk]:
        for number in range(10):
            made.append(number)
            yield Chunk(pl.DataFrame(), number)

    taken = 0
    for chunk in importing_module.ahead(chunks()):
        assert chunk.read == taken
        taken += 1
        assert len(made) <= taken + importing_module.AHEAD
    assert taken == 10


# ------------------------------------------------------------------ kernels


@pytest.mark.kernel
def test_places_are_those_of_locate() -> None:
    stamps = START + np.random.default_rng(1).permutation(SLOTS)[:400] * MINUTE5
    volume = np.arange(400) % 7
    place, outside, untraded = Calendar("ES", "5m").places(stamps, volume)
    index = locate(stamps, WEEK)
    days = np.array([(one.date - date(1970, 1, 1)).days for one in WEEK])
    expected = np.where(volume == 0, NOTHING, np.where(index < 0, NOWHERE, days[index]))
    assert (place == expected).all()
    assert (outside, untraded) == ((expected == NOWHERE).sum(), (expected == NOTHING).sum())
    assert outside > 0


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({}, -1),
        ({"open": (3, np.nan)}, 3),
        ({"low": (3, 0.0)}, 3),
        ({"high": (3, np.inf)}, 3),
        ({"high": (3, 1e7)}, 3),
        ({"high": (2, 1.0)}, 2),
        ({"low": (2, 5000.0)}, 2),
        ({"close": (1, 4000.01)}, 1),
        ({"volume": (4, -1)}, 4),
        ({"volume": (4, 2 * 10**9)}, 4),
        ({"ts_ns": (5, START)}, 5),
        ({"ts_ns": (2, START + 1)}, 2),
        ({"ts_ns": (0, 0)}, 0),
    ],
)
def test_the_first_fault(change: dict[str, tuple[int, float]], at: int) -> None:
    rows = pl.DataFrame([a_row(slot, "ESH21") for slot in range(6)])
    columns = {name: rows[name].to_numpy().copy() for name in ("ts_ns", "open", "high", "low", "close", "volume")}
    for name, (row, value) in change.items():
        columns[name][row] = value
    last, least = np.full(1, NEVER), np.full(1, np.iinfo(np.int64).max)
    ts, *prices, volume = columns.values()
    assert first_fault(ts, np.zeros(6, np.int32), tuple(prices), volume, 4.0, MINUTE5, last, least) == at
    if at < 0:
        assert (last[0], least[0]) == (START + 5 * MINUTE5, MINUTE5)


def test_a_stamp_of_no_market_is_refused() -> None:
    checks = RowChecks(Path("a.rows"), "5m", instrument("ES").tick, False)
    row = a_row(0, "ESH21") | {"row": 1}
    for wrong in (MINUTE5, START * 3 // MINUTE5 * MINUTE5):
        with pytest.raises(BadInput, match=r"a\.rows: row 1: stamp .* is of no market's time"):
            checks.check(pl.DataFrame([row | {"ts_ns": wrong}]), np.zeros(1, np.int32))


def test_every_count_is_checked() -> None:
    row = a_row(0, "ESH21") | {"row": 1}
    for name in FLOW:
        frame = pl.DataFrame([row | {name: -1}])
        checks = RowChecks(Path("a.rows"), "5m", instrument("ES").tick, False)
        if name in ("imbalance", "spread"):
            checks.check(frame, np.zeros(1, np.int32))
            continue
        with pytest.raises(BadInput, match="row 1: a volume or count is negative"):
            checks.check(frame, np.zeros(1, np.int32))


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        ({"bid_volume": 3, "ask_volume": 4, "inferred_volume": 8}, "inferred_volume is more than .* together .8.;"),
        ({"largest": 11}, "the largest trade is larger than the volume .11.;"),
        ({"spread": float("nan")}, "the spread is no number of points .nan.;"),
        ({"spread": float("inf")}, "the spread is no number of points .inf.;"),
        ({"ask_volume": 2**62}, "ask_volume is beyond any market"),
        ({"bid_volume": 3, "ask_volume": 4, "inferred_volume": 7, "largest": 10, "spread": 0.25}, None),
        ({"bid_volume": 30, "ask_volume": 4}, None),  # real files have it; the quality rule `sides` counts it
        ({"ask_volume": 4, "inferred_volume": 7, "largest": None, "spread": None}, None),
    ],
)
def test_order_flow_that_cannot_be_is_refused(flow: dict[str, float | None], message: str | None) -> None:
    rows = [a_row(0, "ESH21"), a_row(1, "ESH21") | {"volume": 10} | flow]
    frame = pl.DataFrame([row | {"row": at} for at, row in enumerate(rows, 1)], infer_schema_length=None)
    checks = RowChecks(Path("a.rows"), "5m", instrument("ES").tick, False)
    if message is None:
        checks.check(frame, np.zeros(2, np.int32))
        return
    with pytest.raises(BadInput, match=rf"a\.rows: row 2: {message}"):
        checks.check(frame, np.zeros(2, np.int32))
