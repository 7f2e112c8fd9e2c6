"""The verb that shows a lane's folds; it trains nothing."""

from __future__ import annotations

from typing import Any

import typer

from scalper.cli.shared import Config, Json, load, show
from scalper.log import say

app = typer.Typer()


@app.command()
def folds(config: Config, as_json: Json = False) -> None:
    """The windows of every fold, the hold-out and who has opened it: a table, a picture and a page."""
    from scalper import lane as stages
    from scalper.settings import home

    done = stages.draw_folds(load(config), home())
    found: dict[str, Any] = done.detail
    windows = found.pop("windows")

    def words() -> None:
        from scalper.cli.lake import print_rows
        from scalper.learn.folds import WINDOWS

        print_rows(["fold", *WINDOWS], windows)
        held = found["holdout"]
        say(f"{found['cut']}; {found['tested']:,} tested sessions; cut from {found['from']}")
        if held["sessions"]:
            say(f"hold-out {held['from']} to {held['to']} ({held['sessions']})")
        for one in found["holdout seen"]:
            say(f"- {one}")
        typer.echo(found["page"])

    show(found | {"seconds": done.seconds}, as_json, words)
