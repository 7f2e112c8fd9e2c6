"""Verbs on the executor: replay, live, status, halt, resume."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalper.cli.shared import FAILED, Config, Json, day, load, show
from scalper.log import say

app = typer.Typer()


@app.command()
def replay(
    config: Config,
    session: Annotated[str, typer.Option(help="A date such as 2026-11-20, or last.")] = "last",
    as_json: Json = False,
) -> None:
    """Stream a stored session through the live path and compare it with the simulation, row by row."""
    from scalper import lane as stages
    from scalper.settings import home

    report = stages.replay(load(config), home(), day(session, last=True))
    found = report.as_dict()

    def words() -> None:
        say(f"{found['bars']} bars, {found['decisions']} decisions, {found['trades']} trades")
        say(f"{found['differences']} differences between replay and simulation")
        for row in found["rows"][:20]:
            say(f"  {row}")

    show(found, as_json, words)
    if found["differences"]:
        raise typer.Exit(FAILED)


@app.command()
def live(
    bundle: Annotated[Path, typer.Option("--bundle", help="The bundle that the gate wrote.")],
    broker: Annotated[str, typer.Option(help="sim; broker adapters come later.")] = "sim",
    mode: Annotated[str, typer.Option(help="shadow, paper, canary or live.")] = "paper",
    feed: Annotated[str, typer.Option(help="replay:2026-11-20, or replay:last.")] = "replay:last",
    pace: Annotated[float, typer.Option(help="Seconds between bars; 0 is as fast as it goes.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Run the executor on a bundle."""
    from scalper.lake import Lake
    from scalper.live import run_bundle
    from scalper.settings import home

    place = home()
    report = run_bundle(bundle, place, mode=mode, broker=broker, feed=feed, pace=pace, lake=Lake(place.lake))
    show(report.as_dict(), as_json, lambda: say(report.text()))


def _operate(document: dict[str, Any], as_json: bool) -> None:
    show(document, as_json, lambda: say("\n".join(f"{key}: {value}" for key, value in document.items())))


@app.command()
def status(config: Config, as_json: Json = False) -> None:
    """Heartbeat, halt and account of a lane's executor."""
    from scalper.live import status as read_status
    from scalper.settings import home

    _operate(read_status(home(), load(config).name), as_json)


@app.command()
def halt(
    config: Config,
    why: Annotated[str, typer.Option(help="For the journal.")],
    who: Annotated[str, typer.Option(help="For the journal.")] = "operator",
    as_json: Json = False,
) -> None:
    """Flatten a lane's executor at its next bar and let it enter no more."""
    from scalper.live import halt as set_halt
    from scalper.settings import home

    _operate(set_halt(home(), load(config).name, who, why), as_json)


@app.command()
def resume(
    config: Config,
    why: Annotated[str, typer.Option(help="For the journal.")],
    who: Annotated[str, typer.Option(help="For the journal.")] = "operator",
    as_json: Json = False,
) -> None:
    """Lift a halt."""
    from scalper.live import resume as lift_halt
    from scalper.settings import home

    _operate(lift_halt(home(), load(config).name, who, why), as_json)
