"""Text files into the lake: what is kept, what is dropped and why, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, import_files
from scalper.lake.files.readers import CLOCK, KNOWN, OUTSIDE, UNTRADED
from scalper.lake.schema import BARS
from scalper.lake.storage import Storage
from tests.lake.support import CHICAGO, bar_file, bar_line, digest, morning

KEYS = bar_keys("import", "ES", "5m", date(2015, 1, 6))


def test_bars_are_stored_by_session_in_utc_with_sides(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [bar_file(tmp_path, morning())], symbol="ES", interval="5m", tz=CHICAGO)
    assert report.as_dict() | {"seconds": 0} == {
        "rows_read": 24,
        "rows_kept": 24,
        "dropped": {},
        "contracts": ["ESH15"],
        "sessions": 1,
        "bars": 24,
        "enriched": 0,
        "volume": 240,
        "interval": "5m",
        "named_by": None,
        "notes": [
            "ESH15.txt.gz: bars as Sierra Chart writes them; stamps are bar starts, as is usual there (0 times a row "
            "right where trading starts and none where it stopped, 0 times the reverse)"
        ],
        "seconds": 0,
    }
    first = lake.read("bars", KEYS).row(0, named=True)
    assert {name: value for name, value in first.items() if value is not None} == {
        "ts_ns": 1420554600_000_000_000,  # 2015-01-06 14:30 UTC
        "contract": "ESH15",
        "open": 2000.0,
        "high": 2000.25,
        "low": 1999.75,
        "close": 2000.0,
        "volume": 10,
        "trades": 5,
        "bid_volume": 5,
        "ask_volume": 5,
    }


def test_the_manifest_says_what_happened(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    path = bar_file(tmp_path, morning())
    report = import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    document = json.loads(report.manifest.read_text())
    assert document["files"][0]["name"] == "ESH15.txt.gz"
    assert len(document["files"][0]["sha256"]) == 64
    assert document["sessions"] == ["2015-01-06"]
    assert (document["rows_read"], document["rows_kept"], document["source"]) == (24, 24, "import")
    assert str(tmp_path) not in report.manifest.read_text()


def test_every_row_is_kept_or_dropped_with_a_reason(tmp_path: Path) -> None:
    lines = [
        bar_line("2015/1/3", "12:00:00"),  # Saturday
        *morning(),
        bar_line("2015/1/6", "15:15:00"),  # the daily halt of then
        bar_line("2015/1/6", "15:30:00", volume=0),
    ]
    report = import_files(Lake(tmp_path / "lake"), [bar_file(tmp_path, lines)], symbol="ES", interval="5m", tz=CHICAGO)
    assert report.dropped == {OUTSIDE: 2, UNTRADED: 1}
    assert report.rows_read == report.rows_kept + 3 == 27


def test_stamps_that_a_clock_change_makes_unclear_are_dropped(tmp_path: Path) -> None:
    spring = [bar_line("2015/3/8", "02:30:00"), bar_line("2015/3/8", "17:00:00")]  # 02:30 does not exist
    autumn = [bar_line("2015/11/1", "01:30:00"), bar_line("2015/11/1", "01:30:00"), bar_line("2015/11/1", "17:00:00")]
    for name, lines, lost in (("ESH15.txt", spring, 1), ("ESZ15.txt", autumn, 2)):
        path = bar_file(tmp_path / name, lines, name)
        report = import_files(Lake(tmp_path / "lake"), [path], symbol="ES", interval="5m", tz=CHICAGO)
        assert report.dropped == {CLOCK: lost}
        assert report.rows_kept == 1


def test_a_file_that_changes_while_it_is_read_does_not_enter(tmp_path: Path) -> None:
    lake, path = Lake(tmp_path / "lake"), bar_file(tmp_path, morning(), "ESH15.txt")

    def rewrite(_done: int, _total: int) -> None:
        path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(BadInput, match=r"ESH15\.txt: it changed while it was read"):
        import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO, progress=rewrite)
    assert lake.dates("bars", {"source": "import", "symbol": "ES", "interval": "5m"}) == []


def test_importing_twice_is_importing_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    path = bar_file(tmp_path, morning())
    import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    before = digest(lake.root)
    again = import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    assert (again.rows_kept, again.bars, again.dropped) == (0, 0, {KNOWN: 24})
    assert digest(lake.root) == before
    twice = import_files(lake, [path, path], symbol="ES", interval="5m", tz=CHICAGO)
    assert twice.dropped == {KNOWN: 48}


def test_parts_in_any_order_and_overlapping_give_the_whole(tmp_path: Path) -> None:
    whole, parts = Lake(tmp_path / "whole"), Lake(tmp_path / "parts")
    lines = morning()
    import_files(whole, [bar_file(tmp_path / "a", lines)], symbol="ES", interval="5m", tz=CHICAGO)
    for name, part in (("b", lines[10:]), ("c", lines[:14])):
        import_files(parts, [bar_file(tmp_path / name, part)], symbol="ES", interval="5m", tz=CHICAGO)
    assert parts.read("bars", KEYS).equals(whole.read("bars", KEYS))
    assert parts.digest("bars", KEYS) == whole.digest("bars", KEYS)


def test_two_contracts_share_a_session_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    paths = [bar_file(tmp_path, morning(6), name) for name in ("ESM15.txt.gz", "ESH15.txt.gz")]
    report = import_files(lake, paths, symbol="ES", interval="5m", tz=CHICAGO)
    frame = lake.read("bars", KEYS)
    assert report.contracts == ["ESH15", "ESM15"]
    assert frame["contract"].to_list() == ["ESH15", "ESM15"] * 6
    assert frame.select(pl.struct("ts_ns", "contract").is_duplicated().any()).item() is False


def test_other_values_for_a_bar_that_is_there_are_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    import_files(lake, [bar_file(tmp_path, morning())], symbol="ES", interval="5m", tz=CHICAGO)
    before = digest(lake.root)
    changed = morning()
    changed[3] = bar_line("2015/1/6", "08:45:00", 1990)
    with pytest.raises(
        BadInput, match=r"ESH15.txt.gz: row 5: ESH15 at 2015-01-06T14:45:00Z differs .* delete the session"
    ):
        import_files(lake, [bar_file(tmp_path / "b", changed)], symbol="ES", interval="5m", tz=CHICAGO)
    assert digest(lake.root) == before


TICKS = """DateTime,Price,Volume
2013-09-03 08:30:00.083,1640.25,8
2013-09-03 08:30:00.083,1640.75,1
2013-09-03 08:30:00.999,1640.00,2
2013-09-03 08:30:02.000,1640.50,3
2013-09-07 12:00:00.000,1640.50,3
"""


def test_ticks_become_one_second_bars_of_the_front_contract(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(TICKS)
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [path], symbol="ES", tz=CHICAGO)
    assert (report.rows_read, report.rows_kept, report.bars, report.volume) == (5, 4, 2, 14)
    assert report.dropped == {OUTSIDE: 1}
    frame = lake.read("bars", bar_keys("import", "ES", "1s", date(2013, 9, 3)))
    assert frame.select(*BARS, "trades").rows() == [
        (1378215000_000_000_000, "ESU13", 1640.25, 1640.75, 1640.0, 1640.0, 11, 3),
        (1378215002_000_000_000, "ESU13", 1640.5, 1640.5, 1640.5, 1640.5, 3, 1),
    ]
    sides = frame.select("ask_volume", "bid_volume", "inferred_volume", "largest").rows()
    assert sides == [(1, 2, 3, 8), (3, 0, 3, 3)]  # the first trade has no price before it, so no side
    assert report.named_by == "monday"
    assert report.notes[0] == "ticks.csv: ticks with a header; the sides are inferred by the tick rule"
    assert "1 of 5 rows (20.0%) lie outside all sessions with --tz America/Chicago; no other zone" in report.notes[1]
    again = import_files(lake, [path], symbol="ES", tz=CHICAGO)
    assert again.dropped == {KNOWN: 4, OUTSIDE: 1}
    minutes = import_files(lake, [path], symbol="ES", interval="1m", tz=CHICAGO)
    assert (minutes.bars, minutes.interval) == (1, "1m")


def _edit(index: int, line: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [*lines[:index], line, *lines[index + 1 :]]


BAD: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "high below low": (
        _edit(4, "2015/1/6, 08:50:00, 2000, 1999, 2001, 2000, 9, 1, 4, 5"),
        "row 6: high and low do not",
    ),
    "high below close": (_edit(4, "2015/1/6, 08:50:00, 2000, 2001, 1999, 2002, 9, 1, 4, 5"), "row 6: high and low"),
    "off the grid": (_edit(7, "2015/1/6, 09:05:00, 2000.1, 2001, 1999, 2000, 9, 1, 4, 5"), "row 9: .*grid of 0.25"),
    "no number": (_edit(0, "2015/1/6, 08:30:00, n/a, 2001, 1999, 2000, 9, 1, 4, 5"), "row 2: a price is empty"),
    "infinite": (_edit(0, "2015/1/6, 08:30:00, 2000, inf, 1999, 2000, 9, 1, 4, 5"), "row 2: a price is empty"),
    "broken volume": (_edit(2, "2015/1/6, 08:40:00, 2000, 2001, 1999, 2000, 9.5, 1, 4, 5"), "row 4: volume is empty"),
    "broken side": (
        _edit(2, "2015/1/6, 08:40:00, 2000, 2001, 1999, 2000, 9, 1, x, 5"),
        "row 4: bid_volume is no whole",
    ),
    "negative volume": (_edit(2, "2015/1/6, 08:40:00, 2000, 2001, 1999, 2000, -9, 1, 4, 5"), "row 4: .*negative"),
    "no date": (
        _edit(3, "6 January, 08:45:00, 2000, 2001, 1999, 2000, 9, 1, 4, 5"),
        "row 5: '6 January 08:45:00' is no stamp",
    ),
    "short row": (_edit(3, "2015/1/6, 08:45:00, 2000"), "row 5: trades is no whole number"),
    "long row": (_edit(3, bar_line("2015/1/6", "08:45:00") + ", 1"), "row 5: 11 values, where the layout has 10"),
    "repeated": (_edit(5, bar_line("2015/1/6", "08:50:00")), "row 7: stamp 2015-01-06T14:50:00Z is there twice"),
    "unsorted": (_edit(5, bar_line("2015/1/6", "08:00:00")), "row 7: stamp .* earlier than the row before"),
    "off the interval": (_edit(5, bar_line("2015/1/6", "08:56:00")), "row 7: stamp .* does not start a 5m bar"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_named_and_the_lake_stays(tmp_path: Path, what: str) -> None:
    lake = Lake(tmp_path / "lake")
    import_files(lake, [bar_file(tmp_path, morning(day="2015/1/5"))], symbol="ES", interval="5m", tz=CHICAGO)
    before = digest(lake.root)
    spoil, message = BAD[what]
    good, bad = bar_file(tmp_path / "g", morning(), "ESM15.txt"), bar_file(tmp_path / "b", spoil(morning()))
    with pytest.raises(BadInput, match=f"b/ESH15.txt.gz: {message}"):
        import_files(lake, [good, bad], symbol="ES", interval="5m", tz=CHICAGO)
    assert digest(lake.root) == before


def test_blank_lines_do_not_shift_the_rows_that_are_named(tmp_path: Path) -> None:
    lines = morning()
    lines[3:3] = ["", ""]
    path = bar_file(tmp_path, [*lines, ""])
    report = import_files(Lake(tmp_path / "lake"), [path], symbol="ES", interval="5m", tz=CHICAGO)
    assert report.rows_read == 24
    lines[10] = bar_line("2015/1/6", "09:05:00", 2000.1)
    with pytest.raises(BadInput, match="row 12: a price is off the grid"):
        import_files(Lake(tmp_path / "lake"), [bar_file(tmp_path, lines)], symbol="ES", interval="5m", tz=CHICAGO)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    truncated = bar_file(tmp_path, morning(), "ESM15.txt.gz")
    truncated.write_bytes(truncated.read_bytes()[:-20])
    bare = bar_file(tmp_path, morning(), "ESU15.txt.gz")
    bare.write_bytes(b"no gzip")
    empty = tmp_path / "ESZ15.txt"
    empty.write_text("")
    plain = bar_file(tmp_path, morning(), "prices.xls")
    columns = bar_file(tmp_path, morning(), "ESH16.txt", "Date, Time, Open, High, Low, Lasst, Volume, a, b, c")
    ticks = tmp_path / "ticks.csv"
    ticks.write_text("DateTime,Price,Size\n2013-09-03 08:30:00,1640.25,8\n")
    header = bar_file(tmp_path, [], "ESM16.txt")
    for path, message in (
        (tmp_path / "nothing.txt", "no such file"),
        (tmp_path, "no such file"),
        (truncated, "cannot be read .* damaged or incomplete"),
        (bare, "cannot be read"),
        (empty, "is empty; fetch it again"),
        (plain, "not a kind of file"),
        (columns, "row 1: no column last .found .*lasst"),
        (ticks, "row 1: no column volume"),
        (header, "holds a header and no rows"),
    ):
        with pytest.raises(BadInput, match=f"{path.name}: {message}"):
            import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    with pytest.raises(BadInput, match="name at least one"):
        import_files(lake, [], symbol="ES")
    assert not (lake.root / "bars").exists()


def test_what_the_command_says_must_fit_the_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    path = bar_file(tmp_path, morning())
    for options, message in (
        ({"symbol": "ES"}, "--tz America/Chicago"),
        ({"symbol": "ES", "tz": "Chicago"}, "--tz 'Chicago': no such time zone"),
        ({"symbol": "ES", "tz": "localtime"}, "--tz 'localtime': no such time zone"),  # unknown to polars
        ({"symbol": "NQ", "tz": CHICAGO}, "holds ESH15, not NQ"),
        ({"symbol": "YM", "tz": CHICAGO}, "unknown symbol 'YM'"),
        ({"symbol": "ES", "tz": CHICAGO, "interval": "2m"}, "--interval '2m': unknown"),
        (
            {"symbol": "ES", "tz": CHICAGO, "interval": "1m"},
            "at least 5m apart, so they are not 1m bars; use --interval 5m",
        ),
        ({"symbol": "ES", "tz": CHICAGO, "interval": "1h"}, "does not start a 1h bar"),
    ):
        with pytest.raises(BadInput, match=message):
            import_files(lake, [path], **options)
    with pytest.raises(BadInput, match="must tell its contract, as ESH15"):
        import_files(lake, [bar_file(tmp_path, morning(), "prices.txt")], symbol="ES", tz=CHICAGO)
    assert import_files(lake, [path], symbol="ES", tz=CHICAGO).interval == "5m"
    ticks = tmp_path / "ticks.csv"
    ticks.write_text(TICKS)
    with pytest.raises(BadInput, match=r"ticks.csv: holds 1s bars, .*5m; import them separately"):
        import_files(lake, [path, ticks], symbol="ES", tz=CHICAGO)


def test_an_import_that_dies_while_publishing_is_finished_by_the_next_to_open_the_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "lake")
    import_files(lake, [bar_file(tmp_path, morning(6))], symbol="ES", interval="5m", tz=CHICAGO)
    days = [line for day in (5, 6, 7, 8) for line in morning(24, f"2015/1/{day}")]
    real = Storage.move

    def move(self: Storage, source: str, target: str) -> None:
        if "date=2015-01-07" in target:
            raise OSError("killed")
        real(self, source, target)

    monkeypatch.setattr(Storage, "move", move)
    path = bar_file(tmp_path / "b", days)
    with pytest.raises(OSError, match="killed"):
        import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    monkeypatch.undo()
    lake = Lake(lake.root)  # finishes what had been decided
    days_held = lake.dates("bars", {key: value for key, value in KEYS.items() if key != "date"})
    assert days_held == [date(2015, 1, day) for day in (5, 6, 7, 8)]
    report = import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    assert (report.rows_kept, report.dropped) == (0, {KNOWN: 96})


@given(st.permutations(range(12)), st.integers(0, 11))
def test_only_sorted_rows_are_taken(tmp_path_factory: pytest.TempPathFactory, order: list[int], spoiled: int) -> None:
    folder = tmp_path_factory.mktemp("permuted")
    lake, lines = Lake(folder / "lake"), morning(12)
    import_files(lake, [bar_file(folder, lines[:4])], symbol="ES", interval="5m", tz=CHICAGO)
    before = digest(lake.root)
    path = bar_file(folder / "b", [lines[i] for i in order])
    if order == sorted(order):
        assert import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO).rows_kept == 8
        return
    with pytest.raises(BadInput, match=r"ESH15.txt.gz: row \d+: stamp"):
        import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
    lines[spoiled] = lines[spoiled].replace("20", "x", 1)
    with pytest.raises(BadInput, match=rf"row {spoiled + 2}: "):
        import_files(lake, [bar_file(folder / "c", lines)], symbol="ES", interval="5m", tz=CHICAGO)
    assert digest(lake.root) == before


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3)), min_size=1, max_size=40, unique_by=lambda p: p[0]))
def test_read_is_kept_plus_dropped(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]]) -> None:
    """Stamps over a week with a weekend, some without volume."""
    folder = tmp_path_factory.mktemp("week")
    lines: list[str] = []
    for slot, volume in sorted(rows):
        day, minutes = divmod(5 * slot, 1440)
        lines.append(bar_line(f"2015/1/{6 + day}", f"{minutes // 60:02d}:{minutes % 60:02d}:00", volume=volume))
    lake = Lake(folder / "lake")
    path = bar_file(folder, lines)
    report = import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO) if len(lines) < 20 else None
    if report is None:  # a long thin file may look like another interval: then it says so
        try:
            report = import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
        except BadInput as error:
            assert "apart, so they are not 5m bars" in str(error)
            return
    assert report.rows_read == len(rows) == report.rows_kept + sum(report.dropped.values())
    stored = [lake.read("bars", bar_keys("import", "ES", "5m", date.fromisoformat(day))) for day in report.sessions]
    assert sum(map(len, stored)) == report.bars == report.rows_kept
    assert sum(int(frame["volume"].sum()) for frame in stored) == report.volume


def test_gzip_and_plain_text_are_the_same(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    plain = bar_file(tmp_path, morning(), "ESH15.txt")
    (tmp_path / "ESH15.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert import_files(lake, [plain], symbol="ES", interval="5m", tz=CHICAGO).rows_kept == 24
    again = import_files(lake, [tmp_path / "ESH15.csv.gz"], symbol="ES", interval="5m", tz=CHICAGO)
    assert again.dropped == {KNOWN: 24}
