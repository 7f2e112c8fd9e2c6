"""The command line: thin; every verb reads its arguments, calls one function and prints what it gave.

With `--json` stdout carries one JSON document and nothing else; words and progress go to stderr. Exit codes: 0 done,
1 anything else, 2 usage, 3 bad input, 4 a failed check, audit, replay or bundle, or an action that a rule refuses.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from scalper.cli import account, data, describe, features, folds, grid, lane, learn, operate, referee, registry, search
from scalper.cli.shared import INTERRUPTED, USAGE
from scalper.errors import ScalperError
from scalper.log import console

if TYPE_CHECKING:
    from polars.exceptions import PolarsError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a futures trader's Databento data to a live order, by way of a gate that says NO when there is no edge.",
)
for part in (lane, grid, features, describe, folds, learn, search, registry, data, operate, referee):
    app.add_typer(part.app)
app.add_typer(account.app, name="account")


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
    if "File too large" in text:
        return "a file outgrew the limit for files (ulimit -f); raise it and run the same command again"
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
        if stop.code == INTERRUPTED:  # what typer makes of Ctrl-C
            _fail("Interrupted", "interrupted; run the same command again to resume", INTERRUPTED)
        if stop.code == USAGE and "--json" in sys.argv:
            typer.echo(json.dumps({"error": "Usage", "message": "see the usage on stderr", "exit": USAGE}))
        raise
    except BrokenPipeError:
        raise
    except (OSError, PolarsError) as error:
        if (words := _machine(error)) is None:
            raise
        _fail("Machine", words, 3)
