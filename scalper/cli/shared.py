"""What every verb shares: its options, how a document or words are printed, the lane and the vendor it runs with."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from scalper.sandbox.databento import DatabentoServer
    from scalper.settings import Lane

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="A lane's YAML file, such as config/demo.yaml.")]
Roll = Literal["monday", "thursday", "volume", "expiry", "open_interest"]
Stamps = Literal["start", "end"]
"""The words of market.RollRule and lake's Stamps again: importing those takes seconds, and --help should not."""
USAGE, FAILED, INTERRUPTED = 2, 4, 130


def show(document: dict[str, Any], as_json: bool, words: Callable[[], None]) -> None:
    """Print the document, or the words for a person."""
    if as_json:
        typer.echo(json.dumps(document, indent=1, default=str))
    else:
        words()


def day(text: str | None, *, last: bool = False) -> date | None:
    """A date argument; None if it is not given, or, where that means something, for `last`."""
    if text is None or (last and text == "last"):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no date; write it as 2026-11-20{', or last' if last else ''}") from None


def load(path: Path, **overrides: object) -> Lane:
    from scalper.settings import load_lane

    return load_lane(path, **overrides)


def vendor(lane: Lane) -> AbstractContextManager[DatabentoServer | None]:
    """The loopback Databento of a sandbox lane while it is needed; nothing for other lanes."""
    if lane.source != "sandbox":
        return nullcontext()
    from scalper.sandbox import SimulatedMarket
    from scalper.sandbox.databento import DatabentoServer

    assert lane.end is not None, "a sandbox lane has an end"
    market = SimulatedMarket(lane.symbol, lane.sandbox.seed, lane.sandbox.edge, start=lane.start, end=lane.end)
    return DatabentoServer(market)
