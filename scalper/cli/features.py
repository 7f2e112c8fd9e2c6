"""The verb that shows a lane's features: their catalogue, and a page of one session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalper.cli.shared import Config, Json, day, load, show
from scalper.log import say

app = typer.Typer()
HEADS = {
    "name": "name",
    "group": "group",
    "formula": "formula",
    "unit": "unit",
    "warm_up": "warm-up",
    "kind": "memory",
    "inputs": "inputs",
    "source": "source",
}


@app.command()
def features(
    config: Config,
    session: Annotated[
        str | None, typer.Option(help="Session to draw, as 2026-11-20; the last one in the lake if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for features.html and structure.svg; below the state if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Every feature of a lane in words, and one session drawn: each under the price, and what was known of structure.

    Without bars in the lake there is no page, and only asking for one is an error.
    """
    from scalper.cli.lake import print_rows
    from scalper.errors import DataUnavailable
    from scalper.lane.shown import catalogue, show_session
    from scalper.lane.shown_page import write
    from scalper.settings import home

    lane, wanted = load(config), day(session, last=True)
    rows = catalogue(lane)
    html: Path | None = None
    why = ""
    try:
        html, _ = write(show_session(lane, home(), wanted), home(), out)
    except DataUnavailable as error:
        if session is not None or out is not None:
            raise
        why = str(error)

    def words() -> None:
        cells = [[", ".join(one[key]) if key == "inputs" else one[key] for key in HEADS] for one in rows]
        print_rows(list(HEADS.values()), [tuple(row) for row in cells])
        say(f"{len(rows)} features; {f'page {html}' if html else f'no page: {why}'}")

    show({"lane": lane.name, "features": rows, "page": html, "why_no_page": why or None}, as_json, words)
