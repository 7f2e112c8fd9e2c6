"""Verbs on what is learned: the trials that were ever made, and the nightly retrain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from scalper.cli.shared import FAILED, Config, Json, load, show
from scalper.log import say

app = typer.Typer()


@app.command()
def trials(config: Config, as_json: Json = False) -> None:
    """Every trial ever made on the lane's underlying, from its ledger; exit code 4 when that was tampered with."""
    from scalper.lane.approved import unseen
    from scalper.lane.stage import ledger_path
    from scalper.learn import ledger
    from scalper.learn.trials import Trials
    from scalper.settings import home

    lane = load(config)
    path = ledger_path(lane, home())
    state = ledger.verify(path)
    found: dict[str, Any] = {"ledger": str(path), "verified": state.problem is None, "problem": state.problem}
    found |= {"number": state.records, "head": state.head, "torn": state.torn}
    if state.problem is not None:
        show(found, as_json, lambda: say(f"{state.problem}; restore the file from a copy"))
        raise typer.Exit(FAILED)
    every, fresh = Trials.read(path), unseen(lane, home())
    table, best, span = every.table(), every.best(), every.span()
    windows = [
        {"first": one[0], "last": one[-1], "sessions": len(one), "trials": n} for one, n in every.windows().items()
    ]
    found |= {"span": span, "windows": windows, "by": table.to_dicts()}
    found |= {"unseen_sessions": len(fresh), "holdout_sessions": lane.folds.holdout_sessions}
    found["best"] = best and {key: one for key, one in asdict(best).items() if key not in ("sessions", "daily")}

    def words() -> None:
        from scalper.cli.lake import print_rows

        print_rows(table.columns, table.rows())
        if best is not None:
            say(f"best: trial {best.number} ({best.kind}, {best.lane} {best.fold}), score {best.score:.2f}")
        when = f" on sessions from {span[0]} to {span[1]}" if span else ""
        say(f"{state.records:,} trials{when}; every line verified, head {state.head[:12]}")
        say(
            f"{len(fresh)} sessions have closed since the last that anybody looked at out of sample; a full verdict "
            f"needs {lane.folds.holdout_sessions} of them as its hold-out"
        )
        typer.echo(path)

    show(found, as_json, words)


@app.command()
def retrain(config: Config, as_json: Json = False) -> None:
    """Repeat the approved recipe on the newest sessions and compare it with the champion; it never promotes."""
    from scalper import lane as stages
    from scalper.settings import home

    done = stages.retrain(load(config), home())
    found: dict[str, Any] = done.detail

    def words() -> None:
        from scalper.cli.lake import print_rows

        table = done.preview
        assert table is not None
        print_rows(table.columns, table.rows())
        say(f"{found['from']} to {found['to']}: candidate {found['judged']}")
        say(f"{'skipped, this was done before' if done.skipped else 'trained'}; {found['next']}")
        typer.echo(f"retrained version {found['version']}")

    show(found | {"skipped": bool(done.skipped), "seconds": done.seconds}, as_json, words)
