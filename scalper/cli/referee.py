"""Verbs with NautilusTrader: let it judge our simulation, and export a lane to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalper.cli.shared import FAILED, Config, Json, load, show
from scalper.log import console, say

app = typer.Typer()
export_app = typer.Typer(no_args_is_help=True, help="Give a lane to another engine.")
app.add_typer(export_app, name="export")
Last = Annotated[int | None, typer.Option("--sessions", min=1, help="Only the last so many sessions of the path.")]


@app.command()
def referee(config: Config, sessions: Last = None, as_json: Json = False) -> None:
    """The out-of-sample path again in NautilusTrader, trade by trade; exit code 4 if a difference is unexplained."""
    from scalper import lane as stages
    from scalper.settings import home

    report = stages.referee(load(config), home(), last=sessions)
    found: dict[str, Any] = report.detail

    def words() -> None:
        say(f"{found['sessions']} of {found['path']} sessions, {found['bars']:,} bars, {found['engine']}")
        say(f"{found['trades']} trades here, {found['trades_there']} there, {found['equal']} equal in every field")
        for row in report.preview.iter_rows(named=True) if report.preview is not None else ():
            bound = f", at most ${row['bound']:,.2f}" if row["bound"] else ""
            console.print(f"{row['count']:>5} {row['cause']}: ${row['dollars']:,.2f}{bound}")
        for name, dollars in found["left_out"].items():
            say(f"left out on both sides: {name}, which changes the path's net by ${dollars:,.2f}")

    show(found, as_json, words)
    if found["unexplained"]:
        raise typer.Exit(FAILED)


@export_app.command()
def nautilus(
    config: Config,
    out: Annotated[Path, typer.Option(help="Folder for the catalogue, the sessions and strategy.yaml.")],
    sessions: Annotated[int | None, typer.Option(min=1, help="Only the last so many sessions.")] = None,
    as_json: Json = False,
) -> None:
    """The lane's sessions as a Nautilus catalogue, and the lane as a strategy that Nautilus starts on them."""
    from scalper import lane as stages
    from scalper.settings import home

    found = stages.export_nautilus(load(config), home(), out, last=sessions)

    def words() -> None:
        say(f"{found['sessions']} sessions, {found['bars']:,} bars of {found['contracts']} contracts in {out}/catalog")
        trades = f"strategy {found['strategy']}, which trades {found['traded']} of them"
        say(trades if found["strategy"] else f"no strategy: {found['why']}")

    show(found, as_json, words)
