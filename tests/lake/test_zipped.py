"""Zipped days: trades and quotes of every expiry, each row accounted for, and zips that are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.lake import Lake, bar_keys, import_files
from scalper.lake.files.readers import KNOWN, OUTSIDE, UNTRADED
from scalper.lake.files.zipped import CROSSED, QUIET, SUSPICIOUS
from scalper.market import session

DAY = "20131202"
MINUTE = 60_000
KEYS = bar_keys("import", "ES", "1m", date(2013, 12, 2))
GC_KEYS = bar_keys("import", "GC", "1s", date(2013, 10, 7))


def zip_of(folder: Path, members: Mapping[str, Iterable[str]], name: str = f"{DAY}_trade.zip") -> Path:
    """A zip of CSVs, given as lines."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, lines in members.items():
            archive.writestr(member, "".join(f"{line}\n" for line in lines))
    return folder / name


def trades_of(*expiries: str, lines: Sequence[str], day: str = DAY) -> dict[str, Sequence[str]]:
    return {f"{day}_es_minute_trade_{expiry}.csv": lines for expiry in expiries}


def quotes_of(*expiries: str, lines: Sequence[str], day: str = DAY) -> dict[str, Sequence[str]]:
    return {f"{day}_es_minute_quote_{expiry}.csv": lines for expiry in expiries}


def trade(minute: int, volume: int = 5, price: float = 1800.0) -> str:
    return f"{minute * MINUTE},{price},{price + 0.5},{price - 0.25},{price + 0.25},{volume}"


def quote(minute: int, bid: float = 1800.0, ask: float = 1800.25, sizes: tuple[int, int] = (7, 9)) -> str:
    return f"{minute * MINUTE},1,1,1,{bid},{sizes[0]},2,2,2,{ask},{sizes[1]}"


def test_quotes_join_the_trades_of_their_minute(tmp_path: Path) -> None:
    trades = zip_of(
        tmp_path, trades_of("201312", lines=[trade(0), trade(1), trade(2, 0), trade(3), trade(4), trade(5)])
    )
    lines = [
        quote(0),
        quote(2),  # its trade has no volume
        quote(3, 1800.5, 1800.25),  # crossed
        f"{4 * MINUTE},,,,,0,2,2,2,1800.5,9",  # nobody bid anew in this minute
        quote(5, 1800.0, 1800.0),  # locked
        quote(6),
    ]
    quotes = zip_of(tmp_path, quotes_of("201312", "201403", lines=lines), f"{DAY}_quote.zip")
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [quotes, trades], symbol="ES")
    assert (report.rows_read, report.bars, report.rows_kept) == (18, 5, 8)
    assert report.dropped == {UNTRADED: 1, CROSSED: 1, QUIET: 8}
    assert (report.contracts, report.named_by, report.interval) == (["ESZ13"], None, "1m")
    frame = lake.read("bars", KEYS)
    assert frame.select("ts_ns", "open", "high", "low", "close", "volume").row(1) == (
        1385942460_000_000_000,
        1800.0,
        1800.5,
        1799.75,
        1800.25,
        5,
    )
    assert frame.select("spread", "bid_size", "ask_size").rows() == [
        (0.25, 7, 9),
        (None, None, None),
        (None, None, None),
        (None, None, 9),
        (0.0, 7, 9),
    ]
    again = import_files(lake, [quotes, trades], symbol="ES")
    assert (again.rows_kept, again.dropped) == (0, {UNTRADED: 1, CROSSED: 1, QUIET: 8, KNOWN: 8})


def test_quotes_may_come_later_and_enrich_the_bars(tmp_path: Path) -> None:
    trades = zip_of(tmp_path, trades_of("201312", lines=[trade(0), trade(1)]))
    quotes = zip_of(tmp_path, quotes_of("201312", lines=[quote(1)]), f"{DAY}_quote.zip")
    lake = Lake(tmp_path / "lake")
    assert import_files(lake, [trades], symbol="ES").bars == 2
    report = import_files(lake, [trades, quotes], symbol="ES")
    assert (report.rows_read, report.bars, report.enriched) == (3, 0, 1)
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())
    assert lake.read("bars", KEYS)["spread"].to_list() == [None, 0.25]


def test_every_expiry_is_kept_under_its_name(tmp_path: Path) -> None:
    path = zip_of(tmp_path, trades_of("201312", "201403", "201409", "201512", lines=[trade(0)]))
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [path, path], symbol="ES")
    assert report.contracts == ["ESH14", "ESU14", "ESZ13", "ESZ15"]
    assert (report.rows_kept, report.dropped) == (4, {KNOWN: 4})
    assert lake.read("bars", KEYS)["contract"].to_list() == ["ESH14", "ESU14", "ESZ13", "ESZ15"]


def test_a_zip_is_a_utc_day_and_its_bars_lie_in_their_sessions(tmp_path: Path) -> None:
    sunday = zip_of(
        tmp_path,
        trades_of("201312", lines=[trade(22 * 60 + 59), trade(23 * 60)], day="20131201"),
        "20131201_trade.zip",
    )
    monday = zip_of(tmp_path, trades_of("201312", lines=[trade(0), trade(22 * 60), trade(23 * 60)]))
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [sunday, monday], symbol="ES")
    assert (report.sessions, report.dropped) == (["2013-12-02", "2013-12-03"], {OUTSIDE: 2})
    opened = session("ES", date(2013, 12, 2)).open_ns
    assert lake.read("bars", KEYS)["ts_ns"].to_list() == [opened, opened + 3600 * 10**9]


def test_ticks_of_several_expiries(tmp_path: Path) -> None:
    lines = [
        "1000,1313.8,1,usa,,0",
        "1400,1313.9,2,usa,,0",
        "1999,1313.9,0,usa,,0",
        "2000,1500.0,3,usa,,1",
        "3000,1313.7,4,usa,,0",
        f"{21 * 3600 * 1000 + 1800_000},1313.7,4,usa,,0",  # 17:30 New York
    ]
    members = {f"20131007_gc_tick_trade_{expiry}.csv": lines for expiry in ("201310", "201312", "201402")}
    lake = Lake(tmp_path / "lake")
    report = import_files(lake, [zip_of(tmp_path, members, "20131007_trade.zip")], symbol="GC")
    assert (report.rows_read, report.rows_kept, report.interval) == (18, 9, "1s")
    assert report.dropped == {UNTRADED: 3, SUSPICIOUS: 3, OUTSIDE: 3}
    frame = lake.read("bars", GC_KEYS)
    assert frame["contract"].to_list() == ["GCG14", "GCV13", "GCZ13"] * 2
    columns = ("open", "close", "volume", "trades", "bid_volume", "ask_volume", "inferred_volume", "largest")
    assert frame.filter(contract="GCZ13").select(columns).rows() == [
        (1313.8, 1313.9, 3, 2, 0, 2, 2, 2),
        (1313.7, 1313.7, 4, 1, 4, 0, 4, 4),
    ]
    assert "the sides are inferred" in report.notes[0]
    minutes = import_files(lake, [tmp_path / "20131007_trade.zip"], symbol="GC", interval="1m")
    assert (minutes.interval, minutes.bars, minutes.rows_kept) == ("1m", 3, 9)


BAD_ROWS = {
    "no minute": (3, "180001,1800,1800,1800,1800,5", "stamp .* does not start a 1m bar"),
    "no millisecond": (3, "x,1800,1800,1800,1800,5", "ms is no whole number"),
    "another day": (3, "86400000,1800,1800,1800,1800,5", "ms is no millisecond of a day"),
    "before midnight": (0, "-60000,1800,1800,1800,1800,5", "ms is no millisecond of a day"),
    "no stamp": (3, ",1800,1800,1800,1800,5", "ms is no millisecond of a day"),
    "no price": (3, "180000,,1800,1800,1800,5", "a price is empty"),
    "words": (3, "180000,1800,high,1800,1800,5", "high is no number"),
    "half a contract": (3, "180000,1800,1800,1800,1800,5.5", "volume is no whole number"),
    "no volume": (3, "180000,1800,1800,1800,1800", "volume is empty"),
    "a value more": (3, "180000,1800,1800,1800,1800,5,1", "7 values, where the layout has 6"),
    "off the grid": (3, "180000,1800.1,1801,1800,1800,5", "a price is off the grid of 0.25"),
    "high below low": (3, "180000,1800,1799,1801,1800,5", "high and low do not enclose"),
    "twice": (3, "120000,1800,1800,1800,1800,5", "stamp .* is there twice"),
    "gone back": (3, "0,1800,1800,1800,1800,5", "stamp .* is earlier than the row before"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_is_named_with_zip_and_member(tmp_path: Path, what: str) -> None:
    at, line, message = BAD_ROWS[what]
    lines = [trade(minute) for minute in range(6)]
    lines[at] = line
    members = trades_of("201312", lines=[trade(0)]) | trades_of("201403", lines=lines)
    lake = Lake(tmp_path / "lake")
    where = rf"20131202_trade.zip/20131202_es_minute_trade_201403.csv: row {at + 1}: {message}"
    with pytest.raises(BadInput, match=where):
        import_files(lake, [zip_of(tmp_path, members)], symbol="ES")
    assert lake.storage.names("bars") == []


BAD_QUOTES = {
    "words": (f"{MINUTE},1,1,1,bid,7,2,2,2,1800,9", "bid is no number"),
    "off the grid": (quote(1, 1800.1), "the bid is off the grid of 0.25"),
    "below zero": (quote(1, -1800.0), "the bid is off the grid of 0.25, or below it"),
    "no size": (f"{MINUTE},1,1,1,1800,7,2,2,2,1800,", "the size of the ask is empty or negative"),
    "negative size": (quote(1, sizes=(7, -1)), "the size of the ask is empty or negative"),
    "no minute": ("60001,1,1,1,1800,7,2,2,2,1800,9", "ms does not start a minute"),
    "twice": (quote(0), "the minute is there twice, or goes back"),
    "too few values": ("60000,1,1,1,1800", "the size of the bid is empty"),
}


@pytest.mark.parametrize("what", BAD_QUOTES)
def test_a_bad_quote_is_named(tmp_path: Path, what: str) -> None:
    line, message = BAD_QUOTES[what]
    trades = zip_of(tmp_path, trades_of("201312", lines=[trade(0), trade(1)]))
    quotes = zip_of(tmp_path, quotes_of("201312", lines=[quote(0), line, quote(2)]), f"{DAY}_quote.zip")
    where = rf"20131202_quote.zip/20131202_es_minute_quote_201312.csv: row 2: {message}"
    with pytest.raises(BadInput, match=where):
        import_files(Lake(tmp_path / "lake"), [trades, quotes], symbol="ES")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("prices.csv", "its member 'prices.csv' does not tell date, product, kind and expiry, as .* unzip it"),
        ("es_minute_trade_201312.csv", "its member 'es_minute_trade_201312.csv' does not tell date"),
        ("20131302_es_minute_trade_201312.csv", "the name of its member .* tells no date or expiry"),
        ("20131202_es_minute_trade_201313.csv", "the name of its member .* tells no date or expiry"),
        ("20131202_es_minute_trade_201310.csv", "tells no date or expiry: .* ES has no V contract"),
        ("20131203_es_minute_trade_201312.csv", "is of another date than the zip"),
        ("20131202_gc_minute_trade_201312.csv", "holds GC, not ES; use --symbol GC"),
        ("00010101_es_minute_trade_201312.csv", "tells no date or expiry: 00010101 is beyond any market"),
        ("99990101_es_minute_trade_201312.csv", "tells no date or expiry: 99990101 is beyond any market"),
        ("20131202_es_minute_trade_201303.csv", "tells ESH13, which expired on 2013-03-15, before its date; rename"),
        ("20131202_cl_minute_trade_201312.csv", "holds CL, not ES; leave it out"),
        ("20131202_es_tick_quote_201312.csv", "holds quotes by tick, which are not read"),
        ("20131202_es_minute_quote_201312.csv", "holds quotes of 2013-12-02, but no trades: name its trade zip"),
    ],
)
def test_a_member_that_does_not_belong_is_refused(tmp_path: Path, member: str, message: str) -> None:
    with pytest.raises(BadInput, match=rf"20131202_trade.zip: .*{message}"):
        import_files(Lake(tmp_path / "lake"), [zip_of(tmp_path, {member: [trade(0)]})], symbol="ES")


def test_zips_that_cannot_be_read(tmp_path: Path) -> None:
    whole = zip_of(tmp_path, trades_of("201312", lines=[trade(minute) for minute in range(600)]), "whole.zip")
    raw = bytearray(whole.read_bytes())
    (tmp_path / "cut.zip").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "none.zip").write_bytes(b"no zip at all")
    raw[200] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(raw)
    raw[6] |= 1  # the flag of encryption, in the member's head and in the directory
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(raw)
    zip_of(tmp_path, {}, "hollow.zip")
    zip_of(tmp_path, trades_of("201312", lines=[]), "blank.zip")
    lake = Lake(tmp_path / "lake")
    for name, message in (
        ("nothing.zip", "no such file"),
        ("cut.zip", "cannot be read .* the zip is damaged"),
        ("none.zip", "cannot be read .* the zip is damaged"),
        ("flipped.zip/20131202_es_minute_trade_201312.csv", "cannot be read .* damaged"),
        ("locked.zip", "20131202_es_minute_trade_201312.csv is encrypted"),
        ("hollow.zip", "holds no files"),
        ("blank.zip/20131202_es_minute_trade_201312.csv", "is empty"),
    ):
        with pytest.raises(BadInput, match=f"{name}: {message}"):
            import_files(lake, [tmp_path / name.split("/")[0]], symbol="ES")
    assert import_files(lake, [whole], symbol="ES").bars == 600


def test_what_the_command_says_must_fit_the_zips(tmp_path: Path) -> None:
    path = zip_of(tmp_path, trades_of("201312", lines=[trade(0)]))
    quotes = zip_of(tmp_path, quotes_of("201312", lines=[quote(0)]), f"{DAY}_quote.zip")
    lake = Lake(tmp_path / "lake")
    with pytest.raises(BadInput, match=r"20131202_trade.zip: holds 1m bars, not 5m; leave --interval out"):
        import_files(lake, [path], symbol="ES", interval="5m")
    with pytest.raises(BadInput, match="hold minutes or ticks; give another --interval"):
        import_files(lake, [path], symbol="ES", interval="1d-utc")
    with pytest.raises(BadInput, match="--stamps end, but zipped minutes are stamped at their start"):
        import_files(lake, [path], symbol="ES", stamps="end")
    for zone in ("Mars", "localtime"):
        with pytest.raises(BadInput, match=f"--tz '{zone}': no such time zone"):
            import_files(lake, [path], symbol="ES", tz=zone)
    with pytest.raises(BadInput, match="quotes of ESZ13, 2013-12-02, are given twice"):
        import_files(lake, [path, quotes, quotes], symbol="ES")
    gold = {"20131007_gc_tick_trade_201312.csv": ["1000,1313.8,1,usa,,0"]}
    with pytest.raises(BadInput, match="holds GC, not ES"):
        import_files(lake, [path, zip_of(tmp_path, gold, "20131007_trade.zip")], symbol="ES")


def test_minutes_that_are_stamped_at_their_end_are_refused(tmp_path: Path) -> None:
    """The layout is known as bar starts; three closes with a row at their very stamp say otherwise."""
    stamps = (1, 21 * 60 + 15, 21 * 60 + 31, 22 * 60, 23 * 60 + 1)  # the halt begins at 21:15, the close is at 22:00
    minutes = [trade(minute) for minute in stamps]
    paths = [
        zip_of(tmp_path, trades_of("201312", lines=minutes, day=day), f"{day}_trade.zip")
        for day in ("20131203", "20131204")
    ]
    with pytest.raises(BadInput, match=r"zipped minutes have the bar's start .* ends: 0 times .* 4 times the reverse"):
        import_files(Lake(tmp_path / "lake"), paths, symbol="ES")


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), max_size=25, unique_by=lambda pair: pair[0]),
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=25, unique_by=lambda pair: pair[0]),
)
def test_every_row_is_kept_or_dropped(
    tmp_path_factory: pytest.TempPathFactory, traded: list[tuple[int, int]], quoted: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines = [trade(minute, volume) for minute, volume in sorted(traded)]
    told = [quote(minute, 1800.0, 1799.0 if crossed else 1800.25) for minute, crossed in sorted(quoted)]
    members = trades_of("201312", lines=lines or [trade(31)])
    paths = [zip_of(folder, members)]
    if told:
        paths.append(zip_of(folder, quotes_of("201312", lines=told), f"{DAY}_quote.zip"))
    lake = Lake(folder / "lake")
    report = import_files(lake, paths, symbol="ES")
    assert report.rows_read == max(len(lines), 1) + len(told)
    assert report.rows_read == report.rows_kept + sum(report.dropped.values())
    live = {minute for minute, volume in traded if volume} if lines else {31}
    assert report.bars == len(live)
    joined = {minute for minute, crossed in quoted if not crossed} & live
    assert report.rows_kept == len(live) + len(joined)
    if live:
        assert int(lake.read("bars", KEYS).select(pl.col("spread").count()).item()) == len(joined)


def test_real_minutes_with_their_quotes(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    paths = sorted((real_data / "es_minutes_2013").glob("*.zip"))
    report = import_files(lake, paths, symbol="ES")
    assert (report.rows_read, report.rows_kept, report.bars, report.volume) == (50_144, 34_623, 17_314, 14_028_053)
    assert report.dropped == {CROSSED: 5, UNTRADED: 47, OUTSIDE: 351, QUIET: 15_118}
    assert report.contracts == ["ESH14", "ESM14", "ESU14", "ESZ13", "ESZ14"]
    assert len(report.sessions) == 15
    assert "stamps are bar starts, as is usual there (11 times" in report.notes[0]
    held = lake.read("bars", KEYS).filter(contract="ESZ13")
    first = held.filter(ts_ns=1385942400_000_000_000).row(0, named=True)
    assert [first[name] for name in ("open", "close", "volume", "spread", "bid_size", "ask_size")] == [
        1805.5,
        1805.75,
        17,
        0.25,
        first["bid_size"],
        first["ask_size"],
    ]
    assert held["spread"].null_count() == 0
    again = import_files(lake, paths, symbol="ES")
    assert (again.rows_kept, again.dropped[KNOWN]) == (0, 34_623)


def test_real_gold_ticks(real_data: Path, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    report = import_files(lake, sorted((real_data / "gc_ticks_2013").glob("*.zip")), symbol="GC")
    assert (report.rows_read, report.rows_kept, report.bars, report.volume) == (92_514, 92_124, 31_493, 126_187)
    assert report.dropped == {UNTRADED: 247, OUTSIDE: 143}
    assert report.sessions == ["2013-10-07", "2013-10-08", "2013-10-09"]
    months = ["GCG14", "GCJ14", "GCM14", "GCM15", "GCQ14", "GCV13", "GCX13", "GCZ13", "GCZ14", "GCZ15"]
    assert report.contracts == months
