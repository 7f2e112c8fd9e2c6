"""The command line: thin; every verb reads its arguments, calls one function and prints what it gave.

With `--json` stdout carries one JSON document and nothing else; words and progress go to stderr. Exit codes: 0 done,
1 anything else, 2 usage, 3 bad input, 4 a failed check, audit, replay or bundle, or an action that a rule refuses.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, cast

import typer

from scalper.errors import ScalperError
from scalper.log import console, progress, say

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from polars.exceptions import PolarsError

    from scalper.gate.verdict import Verdict
    from scalper.sandbox.databento import DatabentoServer
    from scalper.settings import Lane

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a futures trader's Databento data to a live order, by way of a gate that says NO when there is no edge.",
)
bundle_app = typer.Typer(no_args_is_help=True, help="Show or verify a bundle.")
app.add_typer(bundle_app, name="bundle")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="A lane's YAML file, such as config/demo.yaml.")]
USAGE, FAILED = 2, 4


def _show(document: dict[str, Any], as_json: bool, words: Callable[[], None]) -> None:
    """Print the document, or the words for a person."""
    if as_json:
        typer.echo(json.dumps(document, indent=1, default=str))
    else:
        words()


def _day(text: str | None) -> date | None:
    """A date argument; None for `last`."""
    if text is None or text == "last":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no date; write it as 2026-11-20, or `last`") from None


def _lane(path: Path, **overrides: object) -> Lane:
    from scalper.settings import load_lane

    return load_lane(path, **overrides)


def _vendor(lane: Lane) -> AbstractContextManager[DatabentoServer | None]:
    """The loopback Databento of a sandbox lane while it is needed; nothing for other lanes."""
    if lane.source != "sandbox":
        return nullcontext()
    from scalper.sandbox import SimulatedMarket
    from scalper.sandbox.databento import DatabentoServer

    assert lane.end is not None, "a sandbox lane has an end"
    market = SimulatedMarket(lane.symbol, lane.sandbox.seed, lane.sandbox.edge, start=lane.start, end=lane.end)
    return DatabentoServer(market)


def _run(lane: Lane) -> Verdict:
    from scalper import lane as stages
    from scalper.settings import home

    with _vendor(lane) as server:
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


# ------------------------------------------------------------------ the whole lane


@app.command()
def demo(
    null: Annotated[bool, typer.Option("--null", help="The same market without the edge.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the simulated market.")] = None,
    as_json: Json = False,
) -> None:
    """The demo lane on a simulated market, up to the verdict and a replayed paper session."""
    from scalper.settings import REPOSITORY, home

    name = "demo_null" if null else "demo"
    lane = _lane(REPOSITORY / "config" / f"{name}.yaml", **({} if seed is None else {"sandbox.seed": seed}))
    verdict = _run(lane)
    if verdict.go and verdict.bundle is not None:
        from scalper.lake import Lake
        from scalper.live import run_bundle

        session = run_bundle(verdict.bundle, home(), mode="paper", feed="replay:last", lake=Lake(home().lake))
        say(session.text())
    _show(verdict.as_dict(), as_json, lambda: _verdict_words(verdict))


@app.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="DBN, Parquet, bar or tick files.")],
    symbol: Annotated[str, typer.Option(help="Product, such as ES or MES.")],
    interval: Annotated[str | None, typer.Option(help="Interval of bars in text files, such as 5m.")] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of stamps without one, such as America/Chicago.")] = None,
    as_json: Json = False,
) -> None:
    """Bring real files into the lake; every row is kept or dropped with a reason."""
    from scalper.lake import Lake, import_files
    from scalper.settings import home

    with progress("import") as advance:
        report = import_files(Lake(home().lake), paths, symbol=symbol, interval=interval, tz=tz, progress=advance)
    found = report.as_dict()

    def words() -> None:
        say(f"read {found['rows_read']:,} rows, kept {found['rows_kept']:,}, {found['bars']:,} bars")
        for reason, count in found["dropped"].items():
            say(f"  dropped {count:,}: {reason}")
        say(f"{found['sessions']} sessions of {len(found['contracts'])} contracts, volume {found['volume']:,}")

    _show(found, as_json, words)


@app.command()
def download(
    config: Config,
    start: Annotated[str | None, typer.Option(help="First session, such as 2026-01-02.")] = None,
    end: Annotated[str | None, typer.Option(help="Last session.")] = None,
    as_json: Json = False,
) -> None:
    """Databento into the lake: cost first, raw files kept, resumed where it was cut."""
    from scalper import lane as stages
    from scalper.settings import home

    lane = _lane(config)
    first, last = _day(start) or lane.start, _day(end)
    wanted = [one for one in stages.calendar(lane) if first <= one.date and (last is None or one.date <= last)]
    with _vendor(lane) as server, progress("download") as advance:
        gateway, key = (server.url, server.key) if server is not None else (None, None)
        report = stages.fetch(lane, home(), wanted, gateway=gateway, key=key, progress=advance)
    found = report.as_dict()
    _show(
        found, as_json, lambda: say(f"{found['bars']:,} bars of {found['sessions']} sessions, ${report.cost_usd:.2f}")
    )


@app.command()
def check(config: Config, as_json: Json = False) -> None:
    """Data-quality rules on the lake; sessions that fail are quarantined, and exit code 4 says that there are some."""
    from scalper import lane as stages
    from scalper.settings import home

    report = stages.check(_lane(config), home())
    found = report.as_dict()

    def words() -> None:
        for rule in found["results"]:
            mark = "[green]ok[/green]" if rule["passed"] else "[red]failed[/red]"
            console.print(f"{mark:<22} {rule['id']}: {rule['detail']}")
        say(f"{len(report.quarantined)} of {len(report.coverage)} sessions quarantined")

    _show(found, as_json, words)
    if not found["passed"]:
        raise typer.Exit(FAILED)


@app.command()
def run(config: Config, as_json: Json = False) -> None:
    """Bars, features, labels, folds, search, simulation, gate: prints the verdict and the bundle's path."""
    verdict = _run(_lane(config))
    _show(verdict.as_dict(), as_json, lambda: _verdict_words(verdict))


@app.command()
def audit(config: Config, as_json: Json = False) -> None:
    """Look-ahead audit of features, labels, folds and decisions; exit code 4 when something sees the future."""
    from scalper import lane as stages
    from scalper.settings import home

    results = stages.audit(_lane(config), home())
    passed = all(one["passed"] for one in results)

    def words() -> None:
        for one in results:
            mark = "[green]ok[/green]" if one["passed"] else "[red]failed[/red]"
            console.print(f"{mark:<22} {one['id']}: {one['detail']}")

    _show({"passed": passed, "results": results}, as_json, words)
    if not passed:
        raise typer.Exit(FAILED)


@app.command()
def simulate(config: Config, as_json: Json = False) -> None:
    """The out-of-sample path, the hold-out and the stress of models that were trained; the gate reads the result."""
    from scalper import lane as stages
    from scalper.settings import home

    report = stages.simulation(_lane(config), home())

    def words() -> None:
        console.print(report.preview)
        say(f"net ${report.detail['net']:,.2f}, Sharpe {report.detail['sharpe']:.2f}, {report.detail['trades']} trades")

    _show(report.detail | {"seconds": report.seconds}, as_json, words)


@app.command()
def gate(config: Config, as_json: Json = False) -> None:
    """Evaluate the gate on the evidence of the last simulation, and write the bundle."""
    from scalper import lane as stages
    from scalper.settings import home

    verdict = stages.gate(_lane(config), home())
    _show(verdict.as_dict(), as_json, lambda: _verdict_words(verdict))


@bundle_app.command("show")
def bundle_show(path: Path, as_json: Json = False) -> None:
    """What a bundle holds: verdict, checks, digests."""
    from scalper.gate.bundle import show_bundle

    found = show_bundle(path)
    _show(found, as_json, lambda: typer.echo(json.dumps(found, indent=1, default=str)))


@bundle_app.command("verify")
def bundle_verify(path: Path, as_json: Json = False) -> None:
    """Compare every byte of a bundle with its manifest, and its parts with one another; exit code 4 on a difference."""
    from scalper.gate.bundle import verify_bundle

    problems = verify_bundle(path)
    words = "the bundle is whole" if not problems else "\n".join(problems)
    _show({"passed": not problems, "problems": problems}, as_json, lambda: say(words))
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def bench(
    name: Annotated[Literal["features", "simulate", "decide", "import"], typer.Argument(help="What to measure.")],
    size: Annotated[int | None, typer.Option("--rows", "--bars", min=1, help="How many; a few seconds' worth.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a part of the program and its peers in the same run; the ratios count, see bench/README.md."""
    from importlib import import_module

    from scalper.errors import DataUnavailable
    from scalper.settings import REPOSITORY

    if not (REPOSITORY / "bench" / "__init__.py").is_file():
        raise DataUnavailable(f"{REPOSITORY} has no bench/: benchmarks are not installed, run them in a clone")
    sys.path.insert(0, str(REPOSITORY))  # before any other package of that name
    benchmarks = import_module("bench")
    found: dict[str, Any] = benchmarks.run(name, size)
    _show(found, as_json, lambda: console.print(benchmarks.table(found)))


# ------------------------------------------------------------------ replay and live


@app.command()
def replay(
    config: Config,
    session: Annotated[str, typer.Option(help="A date such as 2026-11-20, or last.")] = "last",
    as_json: Json = False,
) -> None:
    """Stream a stored session through the live path and compare it with the simulation, row by row."""
    from scalper import lane as stages
    from scalper.settings import home

    report = stages.replay(_lane(config), home(), _day(session))
    found = report.as_dict()

    def words() -> None:
        say(f"{found['bars']} bars, {found['decisions']} decisions, {found['trades']} trades")
        say(f"{found['differences']} differences between replay and simulation")
        for row in found["rows"][:20]:
            say(f"  {row}")

    _show(found, as_json, words)
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
    _show(report.as_dict(), as_json, lambda: say(report.text()))


def _operate(document: dict[str, Any], as_json: bool) -> None:
    _show(document, as_json, lambda: say("\n".join(f"{key}: {value}" for key, value in document.items())))


@app.command()
def status(config: Config, as_json: Json = False) -> None:
    """Heartbeat, halt and account of a lane's executor."""
    from scalper.live import status as read_status
    from scalper.settings import home

    _operate(read_status(home(), _lane(config).name), as_json)


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

    _operate(set_halt(home(), _lane(config).name, who, why), as_json)


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

    _operate(lift_halt(home(), _lane(config).name, who, why), as_json)


def _fail(kind: str, message: str, code: int) -> NoReturn:
    """One message on stderr, with `--json` one document on stdout, and the exit code."""
    from rich.markup import escape

    if "--json" in sys.argv:
        typer.echo(json.dumps({"error": kind, "message": message, "exit": code}))
    console.print(f"[red]error:[/red] {escape(message)}")
    sys.exit(code)


def _machine(error: OSError | PolarsError) -> str | None:
    """What the machine refused, in words; None for a mistake of this program."""
    text = str(error)
    if "No space left" in text or "Disk quota" in text or "transport error" in text:
        return "the disk is full (SCALPER_HOME); make space and run the same command again, it goes on where it was"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; mend the path or its permissions and run the same command again"
    return None


def main() -> None:
    """Entry point: errors become one message and an exit code."""
    import warnings

    from polars.exceptions import PolarsError

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    try:
        app()
    except ScalperError as error:
        _fail(type(error).__name__, str(error), error.exit_code)
    except SystemExit as stop:
        if stop.code == USAGE and "--json" in sys.argv:
            typer.echo(json.dumps({"error": "Usage", "message": "see the usage on stderr", "exit": USAGE}))
        raise
    except BrokenPipeError:
        raise
    except (OSError, PolarsError) as error:
        if (words := _machine(error)) is None:
            raise
        _fail("Machine", words, 3)
    except KeyboardInterrupt:
        say("interrupted; run the same command again to resume")
        sys.exit(130)


if __name__ == "__main__":
    main()
