"""Verbs on data: import, download, check, and what the lake holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalper.cli.lake import app as lake_app
from scalper.cli.shared import FAILED, Config, Json, Roll, Stamps, day, load, show, vendor
from scalper.log import console, progress, say, warn

app = typer.Typer()
app.add_typer(lake_app, name="lake")
NOTES = 3
SHOWN = 12
"""Quarantined sessions that a person is told of; the page has them all."""


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="DBN, Parquet, bar or tick files.")],
    symbol: Annotated[str, typer.Option(help="Product, such as ES or MES.")],
    interval: Annotated[str | None, typer.Option(help="Interval of bars in text files, such as 5m.")] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of stamps without one, such as America/Chicago.")] = None,
    roll: Annotated[
        Roll, typer.Option(help="Rule that names the contract of rows without one, of a continuous file.")
    ] = "monday",
    stamps: Annotated[
        Stamps | None, typer.Option(help="Whether bars are stamped at their start or end, where the file cannot tell.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring real files into the lake; every row is kept or dropped with a reason."""
    from scalper.lake import Lake, import_files
    from scalper.lake.databento.definitions import are_definitions, import_definitions
    from scalper.settings import home

    lake = Lake(home().lake)
    if are_definitions(paths):
        report = import_definitions(lake, paths, symbol=symbol)
    else:
        with progress("import") as advance:
            report = import_files(
                lake,
                paths,
                symbol=symbol,
                interval=interval,
                tz=tz,
                roll=roll,
                stamps=stamps,
                progress=advance,
            )
    found = report.as_dict()

    def words() -> None:
        say(f"read {found['rows_read']:,} rows, kept {found['rows_kept']:,}, {found['bars']:,} new bars")
        for reason, count in found["dropped"].items():
            say(f"  dropped {count:,}: {reason}")
        if found["enriched"]:
            say(f"  {found['enriched']:,} bars that were there got columns which they lacked")
        say(f"{found['sessions']} sessions of {len(found['contracts'])} contracts, volume {found['volume']:,}")
        if found["named_by"]:
            say(f"rows without a contract were named by the rule {found['named_by']}; --roll takes another")
        for note in found["notes"][:NOTES]:
            say(note)
        if len(found["notes"]) > NOTES:
            say(f"… and {len(found['notes']) - NOTES} notes more; --json has them all")

    show(found, as_json, words)


@app.command()
def download(
    config: Config,
    start: Annotated[str | None, typer.Option(help="First session, such as 2026-01-02.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask what it would cost.")] = False,
    as_json: Json = False,
) -> None:
    """Databento into the lake: cost first, raw files kept, resumed where it was cut; without dates whatever is missing.

    What was downloaded before is never asked for again.
    """
    from scalper import lane as stages
    from scalper.settings import home

    lane = load(config)
    first, last = day(start) or lane.start, day(end)
    wanted = [one for one in stages.calendar(lane) if first <= one.date and (last is None or one.date <= last)]
    with vendor(lane) as server, progress("download") as advance:
        gateway, key = (server.url, server.key) if server is not None else (None, None)
        if dry_run:
            cost = stages.quote(lane, home(), wanted, gateway=gateway, key=key)
            show(cost.as_dict(), as_json, lambda: say(cost.words()))
            return
        report = stages.fetch(lane, home(), wanted, gateway=gateway, key=key, progress=advance)
    found = report.as_dict()

    def words() -> None:
        say(f"{found['bars']:,} bars of {found['sessions']} sessions, ${report.cost_usd:.2f}")
        for name in ("backfilled", "not_yet", "missing", "degraded"):
            if found[name]:
                say(f"  {len(found[name])} sessions {name.replace('_', ' ')}: {', '.join(found[name][:8])}")
        for text in report.revised + report.warnings:
            warn(f"  {text}")

    show(found, as_json, words)


@app.command()
def check(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="A lane; or say which bars below.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Product of bars that need no lane, such as ES.")] = None,
    interval: Annotated[str, typer.Option(help="Their interval.")] = "1m",
    source: Annotated[str, typer.Option(help="Their source in the lake.")] = "import",
    roll: Annotated[Roll, typer.Option(help="The rule that chooses a session's contract.")] = "monday",
    as_json: Json = False,
) -> None:
    """Data-quality rules on the lake; sessions that fail are quarantined, and exit code 4 says that there are some.

    Of a lane (--config), or of whatever sessions the lake has of a product (--symbol).
    """
    from scalper import lane as stages
    from scalper.lake import Lake
    from scalper.lake.quality.check import check_lake, page_of
    from scalper.settings import home

    if (config is None) == (symbol is None):
        raise typer.BadParameter("give --config, or --symbol (with --interval and --source)")
    lake, gaps = Lake(home().lake), 0
    if config is not None:
        lane = load(config)
        report, page = stages.check(lane, home()), stages.quality_page(lane, home())
    else:
        assert symbol is not None
        with progress("quality") as advance:
            report, absent = check_lake(
                lake, source=source, symbol=symbol, interval=interval, roll=roll, progress=advance
            )
        gaps, page = len(absent), page_of(lake, source, symbol, interval, roll)
    found: dict[str, Any] = report.as_dict() | {"page": page}

    def words() -> None:
        for rule in found["results"]:
            mark = "[green]ok[/green]" if rule["passed"] else "[red]failed[/red]"
            console.print(f"{mark:<22} {rule['id']}: {rule['detail']}")
        for when, reasons in list(report.quarantined.items())[:SHOWN]:
            say(f"  {when} {'; '.join(reasons)}")
        say(f"{len(report.quarantined)} of {len(report.coverage)} sessions quarantined; {page}")
        if gaps:
            say(f"{gaps} sessions between them are not in the lake: scalper lake gaps")

    show(found, as_json, words)
    if not found["passed"]:
        raise typer.Exit(FAILED)
