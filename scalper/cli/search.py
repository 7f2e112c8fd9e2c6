"""The verb that searches the folds of a lane, alone or with other workers; it spends trials."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from scalper.cli.shared import Config, Json, load, show
from scalper.log import say, warn

app = typer.Typer()


@app.command()
def search(
    config: Config,
    fold: Annotated[list[str] | None, typer.Option("--fold", help="Such as fold_03, or final; all otherwise.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes that share the trials.")] = 1,
    as_json: Json = False,
) -> None:
    """Search each fold's model parameters and policy before its test; started twice, both share the work."""
    from scalper import lane as stages
    from scalper.lane.searched import sharable
    from scalper.settings import home

    lane = load(config)
    if workers > 1:
        sharable(lane)
    with helpers(config, fold or [], workers - 1):
        done = stages.search(lane, home(), fold)
    found: dict[str, Any] = done.detail
    table = done.preview
    assert table is not None

    def words() -> None:
        from scalper.cli.lake import print_rows

        print_rows(table.columns, table.rows())
        say(found["verdict"])
        if found["importance"]:
            say("what mattered: " + ", ".join(f"{name} {value:.0%}" for name, value in found["importance"].items()))
        say(f"{found['trials']} trials, {found['pruned']} pruned, {found['failed']} failed; ledger {found['ledger']}")
        typer.echo(found["page"])

    show(found | {"folds": table.to_dicts(), "skipped": done.skipped, "seconds": done.seconds}, as_json, words)


@contextmanager
def helpers(config: Path, folds: list[str], count: int) -> Generator[None]:
    """Further processes that search the same folds; they are ended with the search, which takes no notice of them."""
    words = [sys.executable, "-m", "scalper.cli", "search", "--config", str(config), "--json"]
    words += [part for name in folds for part in ("--fold", name)]
    started = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        died = [one.returncode for one in started if one.poll() not in (None, 0)]
        for one in started:
            one.terminate()
            one.wait()
        if died:
            warn(f"{len(died)} of {count} workers ended with {', '.join(map(str, died))}; the others made their trials")
