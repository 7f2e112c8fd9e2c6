"""Verbs on the lake itself: what it holds, SQL over it, what it lacks, where it rolls, and tidying up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeIs

import typer

from scalper.cli.shared import Json, Roll, day, show
from scalper.log import console, say

app = typer.Typer(no_args_is_help=True, help="What the lake holds and lacks.")
Symbol = Annotated[str, typer.Option(help="Product, such as ES.")]
Interval = Annotated[str, typer.Option(help="Interval of the bars.")]
WIDEST = 2000
STAMPS = 10**15
"""From here on a whole number is a stamp."""
SHOWN = 40
"""Gaps that a person is shown."""
Origin = Annotated[str, typer.Option("--source", help="databento, import, or that of a simulated market.")]


def print_rows(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows on stdout as a table, numbers with separators; wider than the terminal rather than broken.

    Names and cells are shown as they are: what looks like rich's markup is none.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None)
    for name, *values in zip(columns, *rows, strict=True):
        number = all(value is None or _is_number(value) for value in values)
        shown.add_column(Text(name), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*(Text(_cell(value)) for value in row))
    Console(width=WIDEST).print(shown, crop=False)


def _is_number(value: object) -> TypeIs[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if not _is_number(value):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < STAMPS else str(value)
    return f"{value:,.8g}"


@app.command()
def ls(as_json: Json = False) -> None:
    """Every table: sessions, dates, rows, contracts, volume, bytes, digest."""
    import polars as pl

    from scalper.lake import Lake
    from scalper.lake.catalogue import ls as tables
    from scalper.settings import home

    found = tables(Lake(home().lake))

    def words() -> None:
        place = pl.concat_str("source", "symbol", "interval", "lane", separator="/", ignore_nulls=True)
        count = pl.col("rows", "volume", "bytes", "sessions", "contracts", "first", "last")
        shown = found.tables.select("kind", place.alias("of"), count, pl.col("flow").list.join(" ").alias("order flow"))
        shown = shown[[name for name in shown.columns if shown[name].null_count() < len(shown)]]
        print_rows(shown.columns, shown.rows())
        say(f"digest of all bars {found.digest}")

    show(found.as_dict(), as_json, words)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over bars, features, labels, predictions, ...")],
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 100,
    as_json: Json = False,
) -> None:
    """Ask the lake by SQL (DuckDB, read only)."""
    from scalper.lake import Lake
    from scalper.lake.catalogue import sql as ask
    from scalper.settings import home

    answer = ask(Lake(home().lake), query, limit)

    def words() -> None:
        print_rows(answer.columns, answer.rows)
        if answer.more:
            say(f"the first {limit} rows; --limit gives more")

    show(answer.as_dict(), as_json, words)


@app.command()
def gaps(
    symbol: Symbol,
    interval: Interval = "1m",
    source: Origin = "import",
    roll: Roll = "monday",
    start: Annotated[str | None, typer.Option(help="First session; default: the first in the lake.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session; default: the last in the lake.")] = None,
    as_json: Json = False,
) -> None:
    """Sessions that are missing, or missing in the contract that the roll rule holds, and holes in regular hours.

    `scalper download` fills what is missing of a Databento lane.
    """
    from scalper.clock import iso
    from scalper.lake import Lake
    from scalper.lake.gaps import gaps as lacking
    from scalper.settings import home

    found = lacking(
        Lake(home().lake), source=source, symbol=symbol, interval=interval, start=day(start), end=day(end), roll=roll
    )
    document = found.as_dict()

    def words() -> None:
        for gap in found.found[:SHOWN]:
            when = "" if gap.kind != "hole" else f" {iso(gap.start_ns)} to {iso(gap.end_ns)} ({gap.seconds:,} s)"
            say(f"{gap.session} {gap.kind}{when}: {gap.detail}")
        if len(found.found) > SHOWN:
            say(f"… and {len(found.found) - SHOWN:,} more; --json has them all")
        counts = ", ".join(f"{count:,} {kind}s" for kind, count in document["counts"].items())
        say(f"{found.checked:,} sessions from {found.start} to {found.end}: {counts}")

    show(document, as_json, words)


@app.command()
def rolls(
    symbol: Symbol,
    interval: Interval = "1m",
    source: Origin = "import",
    roll: Roll = "monday",
    as_json: Json = False,
) -> None:
    """When the series changes its contract by a roll rule, why, and what both traded the session before."""
    from rich.text import Text

    from scalper.lake import Lake
    from scalper.lake.rolls import rolls as changes
    from scalper.settings import home

    found = changes(Lake(home().lake), source=source, symbol=symbol, interval=interval, rule=roll)

    def words() -> None:
        for one in found:
            traded = ", ".join(
                f"{name} {'no bars' if volume is None else f'{volume:,}'}" for name, volume in one.volumes.items()
            )
            absent = "" if one.present else Text(f" {one.new} has no bars in {one.session}: flat", "red")
            words = f"{one.session} {one.old} → {one.new}: {one.why}; volume of {one.before}: {traded}"
            console.print(Text(words), absent, sep="")
        say(f"{len(found)} rolls by the rule {roll}")

    show({"rule": roll, "rolls": [one.as_dict() for one in found]}, as_json, words)


@app.command()
def compact(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    lane: Annotated[
        list[str] | None, typer.Option(help="Lanes whose features, labels and predictions stay; others' go.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove what nothing reads: leftovers of killed writers, raw files without a manifest, tables of other lanes."""
    from scalper.lake import Lake
    from scalper.lake.compact import compact as tidy
    from scalper.settings import home

    found = tidy(Lake(home().lake), dry_run=dry_run, lanes=lane).as_dict()

    def words() -> None:
        for why, figures in found["reasons"].items():
            say(f"{figures['files']:,} files, {figures['bytes']:,} bytes: {why}")
        verb = "would go" if dry_run else "removed"
        say(f"{found['files']:,} files, {found['bytes']:,} bytes {verb}; bars are never changed")

    show(found, as_json, words)


@app.command()
def derive(
    symbol: Symbol,
    interval: Annotated[str, typer.Option(help="What to make: 5s, 15s, 1m, 5m, 15m, 1h, or 1d, a session's bar.")],
    source: Origin = "import",
    as_json: Json = False,
) -> None:
    """Make coarser bars of the sessions in the lake; a lane's run does so by itself for the interval that it reads."""
    from scalper.lake import Lake
    from scalper.lake.aggregate import derive as make
    from scalper.lake.aggregate import finer
    from scalper.log import progress
    from scalper.market import sessions
    from scalper.settings import home

    lake = Lake(home().lake)
    bases = [{"source": source, "symbol": symbol, "interval": name} for name in finer(interval)]
    held = sorted({when for keys in bases for when in lake.dates("bars", keys)})
    every = [one for one in sessions(symbol, held[0], held[-1]) if one.date in set(held)] if held else []
    with progress("derive") as advance:
        found = make(lake, source, symbol, interval, every, progress=advance).as_dict()

    def words() -> None:
        made = ", ".join(f"{count:,} of {base}" for base, count in found["made_of"].items())
        say(f"{found['made']:,} sessions of {interval} made{f' ({made})' if made else ''}")
        say(f"{found['fresh']:,} were there and fresh, {found['own']:,} were imported in this interval and stay")

    show(found, as_json, words)
