"""Verbs on the lake itself: what it holds, SQL over it, what it lacks, where it rolls, and tidying up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scalper.cli.shared import Json, Roll, day, show
from scalper.log import console, say

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(no_args_is_help=True, help="What the lake holds and lacks.")
Symbol = Annotated[str, typer.Option(help="Product, such as ES.")]
Interval = Annotated[str, typer.Option(help="Interval of the bars.")]
SHOWN = 40
"""Gaps that a person is shown."""
Origin = Annotated[str, typer.Option("--source", help="databento, import, or that of a simulated market.")]


def print_frame(frame: pl.DataFrame) -> None:
    """A frame as a table, numbers with separators."""
    from rich.table import Table

    shown = Table(box=None)
    for name, kind in frame.schema.items():
        shown.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        shown.add_row(*(_cell(value) for value in row))
    console.print(shown)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


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
        print_frame(shown[[name for name in shown.columns if shown[name].null_count() < len(shown)]])
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
        print_frame(answer.frame)
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
    from scalper.lake import Lake
    from scalper.lake.rolls import rolls as changes
    from scalper.settings import home

    found = changes(Lake(home().lake), source=source, symbol=symbol, interval=interval, rule=roll)

    def words() -> None:
        for one in found:
            traded = ", ".join(
                f"{name} {'no bars' if volume is None else f'{volume:,}'}" for name, volume in one.volumes.items()
            )
            absent = "" if one.present else f" [red]{one.new} has no bars in {one.session}: flat[/red]"
            console.print(f"{one.session} {one.old} → {one.new}: {one.why}; volume of {one.before}: {traded}{absent}")
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
