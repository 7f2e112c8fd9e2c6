"""Layouts of text files: recognised by content, the same bars however they are written, and what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, import_files
from scalper.lake.files import lines
from scalper.lake.files.readers import CLOCK, ImportOptions
from scalper.lake.files.stamps import Breaks
from scalper.lake.files.text import open_text
from scalper.lake.schema import BARS
from scalper.market import INTERVALS, sessions
from tests.lake.support import CHICAGO, bar_line

COLUMNS = [name for name in BARS if name != "contract"]


def bars_of(first: str, last: str, interval: str = "1m", symbol: str = "ES") -> pl.DataFrame:
    """A bar in every interval of the sessions of these dates, as the lake has them, without the contract."""
    parts: list[np.ndarray] = []
    for one in sessions(symbol, date.fromisoformat(first), date.fromisoformat(last)):
        ts = np.arange(one.open_ns, one.close_ns, INTERVALS[interval])
        for start, end in one.halts:
            ts = ts[(ts < start) | (ts >= end)]
        parts.append(ts)
    ts = np.concatenate(parts)
    wave = 2000 + 0.25 * np.round(20 * np.sin(np.arange(len(ts)) / 30))
    prices = {"open": wave, "high": wave + 0.5, "low": wave - 0.25, "close": wave + 0.25}
    return pl.DataFrame({"ts_ns": ts, **prices, "volume": 1 + np.arange(len(ts)) % 50})


def written(
    bars: pl.DataFrame,
    form: str = "%Y-%m-%d %H:%M:%S",
    separator: str = ",",
    tz: str = CHICAGO,
    shift: int = 0,
) -> list[str]:
    """Lines `stamp, open, high, low, close, volume`; `shift` ns are added to the stamps."""
    local = pl.from_epoch(pl.col("ts_ns") + shift, "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(tz)
    cells = bars.select(local.dt.strftime(form).alias("stamp"), *[pl.col(n).cast(pl.String) for n in COLUMNS[1:]])
    return cells.select(pl.concat_str(pl.all(), separator=separator)).to_series().to_list()


def file_of(folder: Path, rows: Sequence[str], name: str = "continuous.csv") -> Path:
    """A text file, gzipped if its name says so."""
    folder.mkdir(parents=True, exist_ok=True)
    text = ("\n".join(rows) + "\n").encode()
    path = folder / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def read(
    path: Path, tz: str | None = CHICAGO, stamps: str | None = None, **options: str
) -> tuple[pl.DataFrame, dict[str, int], list[str]]:
    """All bars of a file (without row and contract), what was dropped, and the notes."""
    source = open_text(path, options=ImportOptions("ES", tz=tz, stamps=stamps, **options))  # pyright: ignore[reportArgumentType]
    chunks = list(source.chunks)
    dropped: dict[str, int] = {}
    for chunk in chunks:
        for why, count in chunk.dropped.items():
            dropped[why] = dropped.get(why, 0) + count
    frame = pl.concat([chunk.frame for chunk in chunks])
    kept = int(frame["count"].sum()) if "count" in frame.columns else len(frame)
    assert sum(chunk.read for chunk in chunks) == kept + sum(dropped.values())
    return frame, dropped, source.notes


WEEK = bars_of("2014-01-07", "2014-01-10")

SPELLINGS = {
    "ISO with a space": "%Y-%m-%d %H:%M:%S",
    "ISO with a T": "%Y-%m-%dT%H:%M:%S",
    "ISO without seconds": "%Y-%m-%d %H:%M",
    "slashes": "%Y/%m/%d %H:%M:%S",
    "no padding": "%Y/%-m/%-d %-H:%M:%S",
    "points": "%Y.%m.%d %H:%M",
    "fractions": "%Y-%m-%d %H:%M:%S.000",
    "packed": "%Y%m%d %H%M%S",
    "packed date": "%Y%m%d %H:%M:%S",
    "half days": "%Y-%m-%d %I:%M %p",
    "half days with seconds": "%Y-%m-%d %I:%M:%S %p",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("separator", [",", ";", "\t", ", "])
def test_a_spelling_and_a_separator_change_nothing(tmp_path: Path, spelling: str, separator: str) -> None:
    name = "prices.txt.gz" if separator == ";" else "prices.csv"
    path = file_of(tmp_path, written(WEEK, SPELLINGS[spelling], separator), name)
    # packed stamps in six cells parted by semicolons are NinjaTrader's, which are bar ends by convention
    said = "start" if (spelling, separator) == ("packed", ";") else None
    frame, dropped, notes = read(path, stamps=said)
    assert frame.select(COLUMNS).equals(WEEK)
    assert frame["contract"].null_count() == len(frame)  # the roll rule of the import names them
    assert dropped == {}
    assert "stamps are bar starts" in notes[0]


def test_date_and_time_may_be_two_columns_without_a_header(tmp_path: Path) -> None:
    frame, _, _ = read(file_of(tmp_path, written(WEEK, "%Y.%m.%d,%H:%M")))
    assert frame.select(COLUMNS).equals(WEEK)


@pytest.mark.parametrize(("form", "zone"), [("%Y-%m-%dT%H:%M:%SZ", "UTC"), ("%Y-%m-%d %H:%M:%S%z", "Asia/Kolkata")])
def test_stamps_that_carry_their_zone_need_none(tmp_path: Path, form: str, zone: str) -> None:
    frame, _, _ = read(file_of(tmp_path, written(WEEK, form, tz=zone)), tz=None)
    assert frame.select(COLUMNS).equals(WEEK)


def test_columns_with_a_header_may_come_in_any_order(tmp_path: Path) -> None:
    rows = [row.split(",") for row in written(WEEK)]
    shuffled = [",".join([row[5], "x", row[2], row[3], row[0], row[4], row[1]]) for row in rows]
    path = file_of(tmp_path, ["Volume,Kind,High,Low,Date_Time,Close,Open", *shuffled])
    frame, _, notes = read(path)
    assert frame.select(COLUMNS).equals(WEEK)
    assert frame["row"].to_list() == list(range(2, len(WEEK) + 2))
    assert "1 of its columns is not used" in notes[0]
    one = file_of(tmp_path, ['"Date","Open","High","Low","Close","Volume"', *written(WEEK)], "one.csv")
    assert read(one)[0].select(COLUMNS).equals(WEEK)


def test_seconds_may_have_a_fraction_further_down(tmp_path: Path) -> None:
    rows = ["2013-09-03 08:30:00,1640.25,8", "2013-09-03 08:30:00.083,1640.75,1", "2013-09-03 08:30:02,1640.5,3"]
    frame, _, _ = read(file_of(tmp_path, ["DateTime,Price,Volume", *rows]))
    assert frame.select("volume", "trades", "count").rows() == [(9, 2, 2), (3, 1, 1)]


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M"])
def test_the_order_of_day_and_month_is_read_off_the_file_or_refused(tmp_path: Path, form: str) -> None:
    late = bars_of("2014-01-09", "2014-01-15")
    assert read(file_of(tmp_path, written(late, form)))[0].select(COLUMNS).equals(late)
    with pytest.raises(BadInput, match=r"continuous.csv: whether its dates are month/day .* YYYY-MM-DD"):
        read(file_of(tmp_path, written(WEEK, form)))
    both = [*written(late, "%m/%d/%Y %H:%M"), "31/01/2014 09:00,2000,2000,2000,2000,1"]
    with pytest.raises(BadInput, match=rf"row {len(both)}: '31/01/2014 09:00' is no stamp"):
        read(file_of(tmp_path, both, "both.csv"))


def test_bar_ends_are_detected_and_shifted(tmp_path: Path) -> None:
    ends = written(WEEK, shift=INTERVALS["1m"])
    frame, _, notes = read(file_of(tmp_path, ends))
    assert frame.select(COLUMNS).equals(WEEK)
    assert "stamps are bar ends (0 times a row" in notes[0]
    with pytest.raises(BadInput, match=r"--stamps start, but the stamps are bar ends: 0 times .* 7 times the"):
        read(file_of(tmp_path, ends), stamps="start")
    with pytest.raises(BadInput, match=r"--stamps end, but the stamps are bar starts: 7 times .* 0 times the"):
        read(file_of(tmp_path, written(WEEK)), stamps="end")


def test_a_file_that_does_not_show_it_is_refused_until_it_is_said(tmp_path: Path) -> None:
    morning = WEEK.filter(pl.from_epoch("ts_ns", "ns").dt.hour().is_between(15, 20))
    path = file_of(tmp_path, written(morning))
    with pytest.raises(BadInput, match=r"start or its end does not show .*--stamps start if .*--stamps end if"):
        read(path)
    assert read(path, stamps="start")[0]["ts_ns"].equals(morning["ts_ns"])
    assert read(path, stamps="end")[0]["ts_ns"].equals(morning["ts_ns"] - INTERVALS["1m"])


def test_two_breaks_are_too_few_to_decide(tmp_path: Path) -> None:
    """Since 2021 there is one break a session; the first one of a file has no row before it."""
    for last, seen in (("2023-01-12", 2), ("2023-01-13", 3)):
        bars = bars_of("2023-01-10", last)
        path = file_of(tmp_path, written(bars))
        if seen > 2:
            assert read(path)[0].select(COLUMNS).equals(bars)
            continue
        with pytest.raises(BadInput, match=rf"does not show .{seen} times"):
            read(path)
        with pytest.raises(BadInput, match=rf"--stamps end, but the stamps are bar starts: {seen} times"):
            read(path, stamps="end")  # what is said is doubted sooner than what is not said is guessed


def test_rows_outside_are_counted_as_the_stamps_are_meant() -> None:
    breaks = Breaks("ES")
    breaks.add(WEEK["ts_ns"] + INTERVALS["1m"])
    assert (breaks.outside(shifted=True), breaks.outside(shifted=False)) == (0, 8)
    assert (len(breaks.stops), len(breaks.starts), len(breaks.between)) == (8, 0, 0)


def test_a_row_at_a_stop_alone_decides_nothing(tmp_path: Path) -> None:
    """A vendor's last trade at 16:15:00 may make a bar of its own among bar starts. In a file of regular hours no row
    shows what is on the other side of the break, so the stray row must not turn the file into bar ends."""
    ny = pl.from_epoch("ts_ns", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York").dt.time()
    regular = bars_of("2014-01-07", "2014-01-24").filter(ny.is_between(time(9, 30), time(16, 15), closed="left"))
    stray = regular.filter(ny == time(16, 14)).with_columns(pl.col("ts_ns") + INTERVALS["1m"])
    path = file_of(tmp_path, written(pl.concat([regular, stray]).sort("ts_ns")))
    with pytest.raises(BadInput, match=r"does not show .0 times .* 0 times the reverse"):
        read(path)


@given(st.lists(st.integers(0, len(WEEK) - 1), max_size=400), st.booleans())
def test_gaps_never_turn_the_decision(tmp_path_factory: pytest.TempPathFactory, gone: list[int], end: bool) -> None:
    """Bars that are missing may leave the question open, but never answer it wrongly."""
    held = WEEK.with_row_index().filter(~pl.col("index").is_in(gone)).drop("index")
    shift = INTERVALS["1m"] if end else 0
    path = file_of(tmp_path_factory.mktemp("gaps"), written(held, shift=shift))
    try:
        frame, _, _ = read(path)
    except BadInput as error:
        assert "does not show" in str(error)
    else:
        assert frame.select(COLUMNS).equals(held)


def test_ninjatrader_bars_are_stamped_at_their_end(tmp_path: Path) -> None:
    ends = written(WEEK, "%Y%m%d %H%M%S", ";", shift=INTERVALS["1m"])
    frame, _, notes = read(file_of(tmp_path, ends, "ES 03-14.Last.txt"))
    assert frame.select(COLUMNS).equals(WEEK)
    assert frame["contract"].unique().to_list() == ["ESH14"]
    assert "NinjaTrader bars; stamps are bar ends, as is usual there (0 times" in notes[0]
    short = read(file_of(tmp_path, ends[900:930], "ES 03-14.Last.txt"))[0]  # shows nothing: the convention decides
    assert short["ts_ns"].equals(WEEK["ts_ns"][900:930])
    starts = file_of(tmp_path, written(WEEK, "%Y%m%d %H%M%S", ";"), "ES 03-14.Last.txt")
    with pytest.raises(BadInput, match=r"NinjaTrader bars have the bar's end .* bar starts: 7 times .* --stamps start"):
        read(starts)
    assert read(starts, stamps="start")[0].select(COLUMNS).equals(WEEK)


def test_ninjatrader_ticks(tmp_path: Path) -> None:
    rows = [
        "20140107 093000 0000000;1830.25;1830.00;1830.25;2",
        "20140107 093000 9999999;1830.50;1830.25;1830.50;3",
        "20140107 093001 0000000;1830.25;1830.25;1830.50;1",
    ]
    frame, _, _ = read(file_of(tmp_path, rows, "ES 03-14.Last.txt"))
    columns = ["contract", "open", "close", "volume", "trades", "ask_volume", "bid_volume", "inferred_volume"]
    assert frame.select(columns).rows() == [
        ("ESH14", 1830.25, 1830.5, 5, 2, 3, 0, 3),
        ("ESH14", 1830.25, 1830.25, 1, 1, 0, 1, 1),
    ]


def test_a_contract_in_the_name_wins_and_is_checked(tmp_path: Path) -> None:
    rows = written(WEEK)
    for name in ("ESH14.csv", "ESH4-1min.csv", "CME_ESH2014.txt", "esh14.csv"):
        assert read(file_of(tmp_path, rows, name))[0]["contract"].unique().to_list() == ["ESH14"]
    for name in ("ES.csv", "ES_1min_continuous.csv", "ES 13-14.Last.txt"):
        assert read(file_of(tmp_path, rows, name))[0]["contract"].null_count() == len(WEEK)
    for name, message in (
        ("NQH14.csv", "the file holds NQH14, not ES; use --symbol NQ"),
        ("ESH14_ESM14.csv", "its name tells ESH14 and ESM14; rename it"),
        ("ESK14.csv", "ES has no K contract"),
        ("ESZ13.csv", "ESZ13, which expired on 2013-12-20, but its rows go on to 2014-01-10; rename the file"),
    ):
        with pytest.raises(BadInput, match=message):
            read(file_of(tmp_path, rows, name))


@pytest.mark.parametrize("zone", [CHICAGO, "America/New_York", "Europe/London", "UTC"])
@pytest.mark.parametrize(("first", "last"), [("2014-03-07", "2014-03-11"), ("2014-10-31", "2014-11-04")])
def test_clock_changes(tmp_path: Path, zone: str, first: str, last: str) -> None:
    """American clocks change while the market is closed; London's change three weeks later, a week before."""
    bars = bars_of(first, last)
    frame, dropped, _ = read(file_of(tmp_path, written(bars, tz=zone)), tz=zone)
    assert frame.select(COLUMNS).equals(bars)
    assert dropped == {}


def test_stamps_with_two_utc_times_are_dropped(tmp_path: Path) -> None:
    """Jordan's clocks went back on Friday 2014-10-31 at 01:00, a session's open: that hour's stamps are unclear."""
    bars = bars_of("2014-10-30", "2014-11-04")
    frame, dropped, _ = read(file_of(tmp_path, written(bars, tz="Asia/Amman")), tz="Asia/Amman")
    assert dropped == {CLOCK: 60}
    assert len(frame) == len(bars) - 60


def test_a_zone_that_does_not_fit_is_said(tmp_path: Path) -> None:
    path = file_of(tmp_path, written(bars_of("2014-01-07", "2014-02-14")))
    _, _, notes = read(path, tz="America/New_York", stamps="start")
    assert "lie outside all sessions with --tz America/New_York, with --tz America/Chicago about 0.0%" in notes[1]
    assert len(read(path)[2]) == 1
    noise = [f"2014-02-15 {9 + i // 60:02d}:{i % 60:02d}:00,2000,2000,2000,2000,1" for i in range(700)]  # a Saturday
    odd = file_of(tmp_path, [*written(bars_of("2014-02-10", "2014-02-14")), *noise], "odd.csv")
    assert "would mend that" in read(odd)[2][1]


@pytest.mark.parametrize("shift", [0, INTERVALS["1m"]])
@pytest.mark.parametrize(("real", "said"), [(CHICAGO, "America/New_York"), ("America/New_York", CHICAGO)])
def test_a_wrong_zone_never_decides_starts_or_ends(tmp_path: Path, real: str, said: str, shift: int) -> None:
    """An hour off, the rows of the break lie where none may be, and a row at its edge means nothing."""
    path = file_of(tmp_path, written(bars_of("2014-01-07", "2014-01-24"), tz=real, shift=shift))
    with pytest.raises(BadInput, match=r"does not show .0 times .* 0 times the reverse"):
        read(path, tz=said)


@given(st.integers(200, 4000), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_blocks_of_any_size_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, size: int, end: str, header: bool
) -> None:
    rows = written(WEEK)[:60]
    rows[40:40] = ["", "   ", ""]
    text = end.join([*(["datetime,open,high,low,close,volume"] if header else []), *rows])
    path = tmp_path_factory.mktemp("blocks") / "prices.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as Windows writes it, and no end to the last line
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", size)
        frame, _, _ = read(path, stamps="start")
    assert frame.select(COLUMNS).equals(WEEK.head(60))
    skipped = 2 if header else 1
    assert frame["row"].to_list() == [i + skipped + (3 if i >= 40 else 0) for i in range(60)]


BAD = {
    "no stamp": ("2014-01-07 25:00:00,2000,2000,2000,2000,1", "row 3001: '2014-01-07 25:00:00' is no stamp"),
    "other spelling": ("07.01.2014 09:00,2000,2000,2000,2000,1", "row 3001: '07.01.2014 09:00' is no stamp"),
    "empty stamp": (",2000,2000,2000,2000,1", "row 3001: '' is no stamp"),
    "too many values": ("2014-01-07 09:00:00,2000,2000,2000,2000,1,1", "row 3001: 7 values, where the layout has 6"),
    "no price": ("{stamp},2000,,2000,2000,1", "row 3001: a price is empty"),
    "a comma in a number": ('{stamp},"2000","2001",1999,2000,1', "row 3001: a price is empty or no number"),
    "no volume": ("{stamp},2000,2001,1999,2000", "row 3001: volume is empty"),
    "off the grid": ("{stamp},2000.1,2001,1999,2000,1", "row 3001: a price is off the grid of 0.25"),
    "beyond any market": ("1812-01-07 09:00:00,2000,2000,2000,2000,1", "row 3001: stamp 1812.* is beyond any market"),
    "beyond nanoseconds": ("2608-10-07 21:34:43,2000,2000,2000,2000,1", "row 3001: stamp 2608.* is beyond any market"),
    "repeated": ("{before},2000,2000,2000,2000,1", "row 3001: stamp .* is there twice"),
    "gone back": ("2014-01-08 03:00:00,2000,2000,2000,2000,1", "row 3001: stamp .* is earlier than the row before"),
}


def test_a_tick_of_a_far_year_is_named(tmp_path: Path) -> None:
    """In nanoseconds it would lie in the session of 2024-03-19."""
    path = file_of(tmp_path, ["DateTime,Price,Volume", "2608-10-07 21:34:43.000Z,5200,7"], "t.csv")
    with pytest.raises(BadInput, match=r"t.csv: row 2: stamp 2608-10-07 21:34:43.000Z is beyond any market"):
        import_files(Lake(tmp_path / "lake"), [path], symbol="ES")


@pytest.mark.parametrize("stamp", ["2024-11-03 01:30:00", "2024-03-10 02:30:00"])
@pytest.mark.parametrize("head", ["DateTime,Price,Volume", "DateTime,Open,High,Low,Close,Volume"])
def test_rows_that_all_lie_in_a_clock_change_are_dropped(tmp_path: Path, stamp: str, head: str) -> None:
    path = file_of(tmp_path, [head, f"{stamp},5200,{'5200,5200,5200,' if 'Open' in head else ''}7"], "t.csv")
    options: dict[str, Any] = {"symbol": "ES", "tz": CHICAGO, "interval": "1m", "stamps": "start"}
    report = import_files(Lake(tmp_path / "lake"), [path], **options)
    assert (report.rows_read, report.rows_kept, report.dropped) == (1, 0, {CLOCK: 1})


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_in_the_middle_is_named(tmp_path: Path, what: str) -> None:
    rows = written(WEEK)
    line, message = BAD[what]
    rows[3000] = line.format(stamp=rows[3000].split(",")[0], before=rows[2999].split(",")[0])
    lake = Lake(tmp_path / "lake")
    with pytest.raises(BadInput, match=f"continuous.csv: {message}"):
        import_files(lake, [file_of(tmp_path, rows)], symbol="ES", tz=CHICAGO)
    assert lake.storage.names("bars") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"datetime,open,high,low,close,volume\n", "holds a header and no rows"),
        (b"datetime,open,high,low,close,volume\n\n\n", "holds a header and no rows"),
        (b"datetime,open,high,low,volume\n2014-01-07 09:00,1,1,1,1\n", "row 1: no column last .found"),
        (b"open,high,low,close,volume\n1,1,1,1,1\n", "row 1: no column datetime"),
        (b"datetime,open,open,low,close,volume\n1,1,1,1,1,1\n", "row 1: two columns for the open"),
        (b"datetime,open,high,low,close,last,volume\n1,1,1,1,1,1,1\n", "row 1: two columns for the close"),
        (b"datetime,open,high,low,close,volume\nyesterday,1,1,1,1,1\n", "row 2: 'yesterday' is no stamp"),
        (b"1388998800,1,1,1,1,1\n", "row 1: '1388998800' is no stamp"),
        (b"2014-01-07 09:00,1,1\n", "row 1: neither the headings nor a row"),
        (b"hello\n", "row 1: neither the headings nor a row"),
        ("datetime,open\n".encode("utf-16"), "holds bytes that are no text"),
        (b"2014-01-07 09:00:00,1,1,1,1,\xff\n" * 3, "no table of text"),
    ],
)
def test_files_that_hold_no_rows_or_no_layout(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(text)
    with pytest.raises(BadInput, match=rf"prices.csv: {message}|prices.csv: from row 1 on: {message}"):
        read(path)


def test_one_interval_a_file(tmp_path: Path) -> None:
    wide = bars_of("2014-01-13", "2014-01-15", "5m")
    path = file_of(tmp_path, written(pl.concat([WEEK, wide])))  # 12 bars of Sunday are too few to judge
    with pytest.raises(BadInput, match=rf"row {len(WEEK) + 13} and after: rows 300 s apart, in a file of 1m bars"):
        read(path)
    two = WEEK.filter(pl.col("ts_ns") // INTERVALS["1m"] % 2 == 0)
    with pytest.raises(BadInput, match="the interval of its rows is not clear"):
        read(file_of(tmp_path, written(two), "two.csv"))
    frame, _, notes = read(file_of(tmp_path, written(wide), "five.csv"))
    assert (len(frame), len(notes)) == (len(wide), 1)


def test_sierra_charts_bars_are_starts_by_convention(tmp_path: Path) -> None:
    header = "Date, Time, Open, High, Low, Last, Volume"
    ends = [row.replace(",", ", ") for row in written(WEEK, "%Y/%m/%d,%H:%M:%S", shift=INTERVALS["1m"])]
    with pytest.raises(BadInput, match=r"Sierra Chart .* have the bar's start .* bar ends: 0 .* say --stamps end"):
        read(file_of(tmp_path, [header, *ends], "ESH14.txt"))
    assert read(file_of(tmp_path, [header, *ends], "ESH14.txt"), stamps="end")[0].select(COLUMNS).equals(WEEK)
    few = [bar_line("2015/1/6", "08:30:00"), bar_line("2015/1/6", "08:35:00")]
    short = file_of(tmp_path, ["Date, Time, Open, High, Low, Last, Volume, x, y, z", *few], "ESH15.txt")
    assert "stamps are bar starts, as is usual there (0 times" in read(short)[2][0]


def test_a_continuous_file_gets_its_contracts_by_the_roll_rule(tmp_path: Path) -> None:
    """200,000 minutes over two expiries; the rule is named in the report."""
    bars = bars_of("2014-02-03", "2014-09-30")[:200_000]
    path = file_of(tmp_path, written(bars), "ES_1min_continuous.csv")
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [path], symbol="ES", tz=CHICAGO)
    assert (report.rows_read, report.rows_kept, report.dropped) == (200_000, 200_000, {})
    assert (report.contracts, report.named_by) == (["ESH14", "ESM14", "ESU14"], "monday")
    for day, contract in (("2014-03-14", "ESH14"), ("2014-03-17", "ESM14"), ("2014-06-16", "ESU14")):
        held = lake.read("bars", bar_keys("import", "ES", "1m", date.fromisoformat(day)))
        assert held["contract"].unique().to_list() == [contract]
    later = Lake(tmp_path / "thursday")
    report = import_files(later, [path], symbol="ES", tz=CHICAGO, roll="thursday")
    assert report.named_by == "thursday"
    held = later.read("bars", bar_keys("import", "ES", "1m", date(2014, 3, 14)))
    assert held["contract"].unique().to_list() == ["ESM14"]
