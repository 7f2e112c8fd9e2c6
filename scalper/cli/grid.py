"""The verb that varies a lane's numbers on its out-of-sample path; it spends trials."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scalper.cli.shared import Config, Json, load, show
from scalper.log import say

app = typer.Typer()
FIRST = 20


def axes_of(texts: list[str]) -> dict[str, list[Any]]:
    """Arguments such as `policy.confidence=0.6,0.65` as keys and values; the values are read like YAML."""
    import yaml

    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, _, values = text.partition("=")
        try:
            found = yaml.safe_load(f"[{values}]")
        except yaml.YAMLError:
            found = None
        if not key or not found or key in axes:
            raise typer.BadParameter(f"{text}: write each key once, with its values: policy.confidence=0.6,0.65")
        axes[key] = found
    return axes


@app.command()
def grid(
    config: Config,
    vary: Annotated[list[str], typer.Option("--vary", help="A key and its values: policy.confidence=0.6,0.65.")],
    as_json: Json = False,
) -> None:
    """Every combination of values on the out-of-sample path of models that were trained. Each one is a trial."""
    from scalper import lane as stages
    from scalper.settings import home

    axes = axes_of(vary)
    done = stages.grid(load(config), home(), axes)
    found: dict[str, Any] = done.detail

    def words() -> None:
        from scalper.cli.lake import print_rows

        heads = [*axes, "Sharpe", "around", "net", "trades", "drawdown", "halts", "stopped"]
        cells = [
            (
                *(str(one[key]) for key in axes),
                f"{one['sharpe']:.2f}",
                "" if one["around"] is None else f"{one['around']:.2f}",
                f"{one['net']:,.2f}",
                str(one["trades"]),
                f"{one['drawdown']:,.2f}",
                str(one["halts"]),
                one["stopped"],
            )
            for one in found["sets"][:FIRST]
        ]
        print_rows(heads, cells)
        say(found["judged"])
        say(found["spent"])
        typer.echo(found["page"])

    show(found | {"bars": done.rows, "seconds": done.seconds}, as_json, words)
