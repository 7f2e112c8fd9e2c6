"""Verbs on a lane's models in the registry: list the versions, promote one."""

from __future__ import annotations

from typing import Annotated

import typer

from scalper.cli.shared import Config, Json, load, show
from scalper.log import console, say

app = typer.Typer()
SHORT = 12
"""Digits of a digest that a person compares."""


@app.command()
def models(config: Config, as_json: Json = False) -> None:
    """The versions of a lane's model, newest first: which is candidate, champion, previous; what each is made of."""
    from rich.markup import escape
    from rich.table import Table

    from scalper.learn import tracking
    from scalper.settings import home

    lane = load(config)
    found = tracking.versions(home(), lane.name)

    def words() -> None:
        table = Table("version", "is", "verdict", "trained on", "data", "code", "trials", "registered", box=None)
        for one in found:
            tags = {key: escape(value) for key, value in one.tags.items()}
            made = (tags.get("data", "-")[:SHORT], tags.get("git_commit", tags.get("code", "-"))[:SHORT])
            named = f"[green]{', '.join(one.aliases)}[/green]" if one.aliases else ""
            shown = (tags.get("verdict", "-"), tags.get("window", "-"), *made, tags.get("trials", "-"))
            table.add_row(str(one.number), named, *shown, one.as_dict()["created"])
        console.print(table)
        for one in found:
            if by := one.tags.get("promoted_by"):
                say(f"version {one.number} promoted {one.tags['promoted_at']} by {by}: {one.tags['promoted_why']}")
        if not found:
            say(f"lane {lane.name} has no model in the registry yet; run the lane")

    names = {name: one.number for one in found for name in one.aliases}
    show({"lane": lane.name, "aliases": names, "versions": [one.as_dict() for one in found]}, as_json, words)


@app.command()
def promote(
    config: Config,
    who: Annotated[str, typer.Option(help="The person who decides it; stands in the registry.")],
    why: Annotated[str, typer.Option(help="The reason; stands in the registry.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="One that `scalper models` lists; else the candidate.")
    ] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Back to the champion before.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version the lane's champion, and the champion the previous one. Nothing else ever does."""
    from scalper.learn import tracking
    from scalper.settings import home

    if rollback and version is not None:
        raise typer.BadParameter("--rollback goes to the previous champion; leave --version out")
    lane = load(config).name
    if rollback:
        made = tracking.rollback(home(), lane, who=who, why=why)
    else:
        made = tracking.promote(home(), lane, version, who=who, why=why)
    before = "" if made.before is None else f"; version {made.before} is the previous one"
    show(made.as_dict(), as_json, lambda: say(f"version {made.version} is the champion of lane {lane}{before}"))
