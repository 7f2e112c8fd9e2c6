"""The verb that describes a lane's rows: distributions, drift, correlations, information, class balance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from scalper.cli.shared import Config, Json, load, show
from scalper.log import say

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer()


@app.command()
def describe(config: Config, as_json: Json = False) -> None:
    """What the rows of a lane are like, by month and against a reference: tables, pictures and a page."""
    from scalper import lane as stages
    from scalper.settings import home

    done = stages.describe(load(config), home())
    found: dict[str, Any] = done.detail | {"rows": done.rows, "seconds": done.seconds}
    worst: pl.DataFrame = found["worst drift"]

    def words() -> None:
        from scalper.cli.lake import print_rows
        from scalper.learn.describe import DRIFT

        cells = [(one["feature"], *(f"{one[key]:.3f}" for key in DRIFT)) for one in worst.to_dicts()]
        print_rows([f"most moved in {found['newest month']}", "PSI", "by chance", "KS", "by chance"], cells)
        total = sum(found["balance"].values())
        say(", ".join(f"{name} {count / max(total, 1):.1%}" for name, count in found["balance"].items() if count))
        say(f"reference {found['reference']}; drifted: {', '.join(found['drifted']) or 'nothing'}")
        typer.echo(found["page"])

    show(found | {"worst drift": worst.to_dicts()}, as_json, words)
