"""Verbs on data: import, download, check, and what the lake holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalper.cli.shared import FAILED, Config, Json, day, load, show, vendor
from scalper.log import console, progress, say

app = typer.Typer()


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="DBN, Parquet, bar or tick files.")],
    symbol: Annotated[str, typer.Option(help="Product, such as ES or MES.")],
    interval: Annotated[str | None, typer.Option(help="Interval of bars in text files, such as 5m.")] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of stamps without one, such as America/Chicago.")] = None,
    as_json: Json = False,
) -> None:
    """Bring real files into the lake; every row is kept or dropped with a reason."""
    from scalper.lake import Lake, import_files
    from scalper.settings import home

    with progress("import") as advance:
        report = import_files(Lake(home().lake), paths, symbol=symbol, interval=interval, tz=tz, progress=advance)
    found = report.as_dict()

    def words() -> None:
        say(f"read {found['rows_read']:,} rows, kept {found['rows_kept']:,}, {found['bars']:,} bars")
        for reason, count in found["dropped"].items():
            say(f"  dropped {count:,}: {reason}")
        say(f"{found['sessions']} sessions of {len(found['contracts'])} contracts, volume {found['volume']:,}")

    show(found, as_json, words)


@app.command()
def download(
    config: Config,
    start: Annotated[str | None, typer.Option(help="First session, such as 2026-01-02.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    as_json: Json = False,
) -> None:
    """Databento into the lake: cost first, raw files kept, resumed where it was cut."""
    from scalper import lane as stages
    from scalper.settings import home

    lane = load(config)
    first, last = day(start) or lane.start, day(end)
    wanted = [one for one in stages.calendar(lane) if first <= one.date and (last is None or one.date <= last)]
    with vendor(lane) as server, progress("download") as advance:
        gateway, key = (server.url, server.key) if server is not None else (None, None)
        report = stages.fetch(lane, home(), wanted, gateway=gateway, key=key, progress=advance)
    found = report.as_dict()
    show(found, as_json, lambda: say(f"{found['bars']:,} bars of {found['sessions']} sessions, ${report.cost_usd:.2f}"))


@app.command()
def check(config: Config, as_json: Json = False) -> None:
    """Data-quality rules on the lake; sessions that fail are quarantined, and exit code 4 says that there are some."""
    from scalper import lane as stages
    from scalper.settings import home

    report = stages.check(load(config), home())
    found = report.as_dict()

    def words() -> None:
        for rule in found["results"]:
            mark = "[green]ok[/green]" if rule["passed"] else "[red]failed[/red]"
            console.print(f"{mark:<22} {rule['id']}: {rule['detail']}")
        say(f"{len(report.quarantined)} of {len(report.coverage)} sessions quarantined")

    show(found, as_json, words)
    if not found["passed"]:
        raise typer.Exit(FAILED)
