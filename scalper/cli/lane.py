"""Verbs on a whole lane: demo, run, audit, simulate, gate; and what the gate leaves, a bundle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from scalper.cli.shared import FAILED, Config, Json, load, show, vendor
from scalper.log import console, say

if TYPE_CHECKING:
    from scalper.gate.verdict import Verdict
    from scalper.settings import Lane

app = typer.Typer()
bundle_app = typer.Typer(no_args_is_help=True, help="Show or verify a bundle.")
app.add_typer(bundle_app, name="bundle")


def _run(lane: Lane) -> Verdict:
    from scalper import lane as stages
    from scalper.settings import home

    with vendor(lane) as server:
        gateway, key = (server.url, server.key) if server is not None else (None, None)
        return stages.run(lane, home(), gateway=gateway, key=key)


def _figure(value: object) -> str:
    """A check's value or threshold in a few characters."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_figure(one)}" for key, one in cast(dict[str, object], value).items())
    return f"{value:,.4g}" if isinstance(value, float) else "-" if value is None else str(value)


def _verdict_words(verdict: Verdict) -> None:
    from rich.table import Table

    table = Table("check", "value", "threshold", "", box=None)
    for one in verdict.checks:
        colour = "green" if one.status == "PASS" else "red"
        table.add_row(one.id, _figure(one.value), _figure(one.threshold), f"[{colour}]{one.status}[/{colour}]")
    console.print(table)
    for reason in verdict.reasons:
        say(f"- {reason}")
    if verdict.bundle is not None:
        say(f"report {verdict.bundle / 'report.html'}")
    typer.echo(f"verdict {verdict.verdict} bundle {verdict.bundle}")


@app.command()
def demo(
    null: Annotated[bool, typer.Option("--null", help="The same market without the edge.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the simulated market.")] = None,
    as_json: Json = False,
) -> None:
    """The demo lane on a simulated market, up to the verdict and a replayed paper session."""
    from scalper.settings import REPOSITORY, home

    name = "demo_null" if null else "demo"
    lane = load(REPOSITORY / "config" / f"{name}.yaml", **({} if seed is None else {"sandbox.seed": seed}))
    verdict = _run(lane)
    if verdict.go and verdict.bundle is not None:
        from scalper.lake import Lake
        from scalper.live import run_bundle

        session = run_bundle(verdict.bundle, home(), mode="paper", feed="replay:last", lake=Lake(home().lake))
        say(session.text())
    show(verdict.as_dict(), as_json, lambda: _verdict_words(verdict))


@app.command()
def run(config: Config, as_json: Json = False) -> None:
    """Bars, features, labels, folds, search, simulation, gate: prints the verdict and the bundle's path."""
    verdict = _run(load(config))
    show(verdict.as_dict(), as_json, lambda: _verdict_words(verdict))


@app.command()
def audit(config: Config, as_json: Json = False) -> None:
    """Look-ahead audit: features, labels, files, fits, decisions, folds; exit code 4 when something sees the future."""
    from scalper import lane as stages
    from scalper.gate.audit import MODELS
    from scalper.settings import home

    results = stages.audit(load(config), home())
    passed = all(one["passed"] for one in results)
    left_out = [name for name in MODELS if f"audit.{name}" not in {one["id"] for one in results}]

    def words() -> None:
        for one in results:
            mark = "[green]ok    [/green]" if one["passed"] else "[red]failed[/red]"
            share = f"{one['rows']:,} of {one['of']:,} rows ({one['coverage']:.1%})"
            console.print(f"{mark} {one['id']}: {one['detail']}; {share}")
        if left_out:
            say(f"not simulated yet, so not audited: {', '.join(left_out)}; run the lane, then audit again")

    show({"passed": passed, "results": results, "left_out": left_out}, as_json, words)
    if not passed:
        raise typer.Exit(FAILED)


@app.command()
def simulate(
    config: Config,
    model: Annotated[
        str | None, typer.Option(help="One model over what it has not seen: an ONNX file, or a fold, such as fold_03.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report, trades and equity.")] = None,
    as_json: Json = False,
) -> None:
    """The out-of-sample path of models that were trained, its hold-out and stress, which the gate reads; or one model.

    Leaves report.html, trades and equity as Parquet and CSV, refused.csv and summary.json.
    """
    from scalper import lane as stages
    from scalper.settings import home

    lane = load(config)
    if model is None:
        report = stages.simulation(lane, home(), out=out or stages.default_folder(lane, home()))
    else:
        report = stages.simulate_model(lane, home(), model, out)

    def words() -> None:
        console.print(report.preview)
        say(f"net ${report.detail['net']:,.2f}, Sharpe {report.detail['sharpe']:.2f}, {report.detail['trades']} trades")
        say(f"report {report.detail['out']}/report.html")

    show(report.detail | {"seconds": report.seconds}, as_json, words)


@app.command()
def gate(config: Config, as_json: Json = False) -> None:
    """Evaluate the gate on the evidence of the last simulation, and write the bundle."""
    from scalper import lane as stages
    from scalper.settings import home

    verdict = stages.gate(load(config), home())
    show(verdict.as_dict(), as_json, lambda: _verdict_words(verdict))


@bundle_app.command("show")
def bundle_show(path: Path, as_json: Json = False) -> None:
    """What a bundle holds: verdict, checks, digests."""
    from scalper.gate.bundle import show_bundle

    found = show_bundle(path)
    show(found, as_json, lambda: typer.echo(json.dumps(found, indent=1, default=str)))


@bundle_app.command("verify")
def bundle_verify(path: Path, as_json: Json = False) -> None:
    """Compare every byte of a bundle with its manifest, and its parts with one another; exit code 4 on a difference."""
    from scalper.gate.bundle import verify_bundle

    problems = verify_bundle(path)
    words = "the bundle is whole" if not problems else "\n".join(problems)
    show({"passed": not problems, "problems": problems}, as_json, lambda: say(words))
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def bench(
    name: Annotated[
        Literal["features", "simulate", "grid", "decide", "learn", "import", "ticks"],
        typer.Argument(help="What to measure."),
    ],
    size: Annotated[int | None, typer.Option("--rows", "--bars", min=1, help="How many; a few seconds' worth.")] = None,
    features: Annotated[int | None, typer.Option(min=3, help="Features of a row, for learn.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a part of the program and its peers in the same run; the ratios count, see bench/README.md."""
    from importlib import import_module

    from scalper.errors import BadInput, DataUnavailable
    from scalper.settings import REPOSITORY

    if features is not None and name != "learn":
        raise BadInput(f"--features: {name} has no such number; leave it out, or ask for learn")
    if not (REPOSITORY / "bench" / "__init__.py").is_file():
        raise DataUnavailable(f"{REPOSITORY} has no bench/: benchmarks are not installed, run them in a clone")
    sys.path.insert(0, str(REPOSITORY))  # before any other package of that name
    benchmarks = import_module("bench")
    more = {} if features is None else {"features": features}
    found: dict[str, Any] = benchmarks.run(name, size, **more)
    show(found, as_json, lambda: console.print(benchmarks.table(found)))
