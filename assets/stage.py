"""What every asset of a lane has in common: its key and labels, the partitions of a run, its metadata."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypedDict

import dagster as dg
import polars as pl

from scalper.lane import StageReport, calendar
from scalper.settings import Lane

OWNERS = ["team:scalper"]
PREVIEW_ROWS, PREVIEW_COLUMNS = 8, 10
QUARTERS = 4
"""A run notes its progress so many times; each note is a row in Dagster's event log."""


def key(lane: Lane, stage: str) -> dg.AssetKey:
    """`<lane>/<stage>`."""
    return dg.AssetKey([lane.name, stage])


class Labels(TypedDict):
    """The arguments of `dg.asset` that `labels` gives."""

    key: dg.AssetKey
    group_name: str
    description: str
    kinds: set[str]
    owners: list[str]
    tags: dict[str, str]
    pool: str


def labels(lane: Lane, stage: str, description: str, kinds: set[str]) -> Labels:
    """Key, group and words of an asset; the pool keeps a lane to one run at a time (dagster.yaml)."""
    return {
        "key": key(lane, stage),
        "group_name": lane.name,
        "description": description,
        "kinds": kinds,
        "owners": OWNERS,
        "tags": {"symbol": lane.symbol, "interval": lane.interval, "source": lane.source},
        "pool": lane.name,
    }


def every_partition(lane: Lane, stage: str) -> dg.AssetDep:
    """A dependency on all partitions of an earlier stage."""
    return dg.AssetDep(key(lane, stage), partition_mapping=dg.AllPartitionMapping())


def sessions_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, lane: Lane) -> list[date]:
    """The closed sessions among the run's partitions; today's key exists before today's session has closed."""
    wanted = set(context.partition_keys)
    return [one.date for one in calendar(lane) if one.date.isoformat() in wanted]


def progress(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Callable[[int, int], None]:
    """A callback for scalper's stages that leaves a few lines in the run's log."""
    noted = [0]

    def note(done: int, total: int) -> None:
        quarter = done * QUARTERS // max(total, 1)
        if quarter > noted[0]:
            noted[0] = quarter
            context.log.info(f"{done} of {total}")

    return note


def report(context: dg.AssetExecutionContext, done: StageReport) -> dict[str, Any]:
    """Metadata of a materialisation; a preview and a picture stand with the newest partition only.

    A run over hundreds of sessions leaves an event for each of them, and a picture in each would fill the event log.
    """
    shown = _shown(done)
    if context.has_partition_key_range or context.has_partition_key:
        context.add_asset_metadata(shown, partition_key=context.partition_keys[-1])
        shown = {}
    return {
        **shown,
        "rows": done.rows,
        "done": done.done,
        "skipped": done.skipped,
        "seconds": round(done.seconds, 2),
        **{name: value(one) for name, one in done.detail.items()},
    }


def _shown(done: StageReport) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {}
    if done.picture is not None:
        shown["picture"] = dg.MetadataValue.md(picture(done.picture))
    if done.preview is not None:
        shown["preview"] = dg.MetadataValue.md(table(done.preview))
    return shown


def value(one: object) -> Any:
    """Any detail of a report as Dagster metadata: numbers and text plainly, the rest as JSON or text."""
    if isinstance(one, float):
        return float(f"{one:.6g}")
    if isinstance(one, bool | int | str):
        return one
    if isinstance(one, pl.DataFrame):
        return dg.MetadataValue.md(table(one))
    if isinstance(one, Mapping):
        return dg.MetadataValue.json({str(name): _plain(part) for name, part in one.items()})
    if isinstance(one, list | tuple):
        return dg.MetadataValue.json([_plain(part) for part in one])
    return str(one)


def _plain(one: object) -> Any:
    if isinstance(one, Mapping):
        return {str(name): _plain(part) for name, part in one.items()}
    if isinstance(one, list | tuple):
        return [_plain(part) for part in one]
    return one if isinstance(one, bool | int | float | str) or one is None else str(one)


def table(frame: pl.DataFrame) -> str:
    """The first rows and columns of a frame as a markdown table."""
    some = frame.head(PREVIEW_ROWS)[:, :PREVIEW_COLUMNS]
    lines = ["| " + " | ".join(some.columns) + " |", "|" + " --- |" * some.width]
    lines += ["| " + " | ".join(_cell(one) for one in row) + " |" for row in some.iter_rows()]
    left = f"\n\n{frame.height} rows, {frame.width} columns"
    return "\n".join(lines) + left


def _cell(one: object) -> str:
    return f"{one:.6g}" if isinstance(one, float) else str(one).replace("|", "\\|")


def some_days(days: Sequence[date]) -> str:
    """The first of some sessions, or none."""
    more = f" and {len(days) - PREVIEW_ROWS} more" if len(days) > PREVIEW_ROWS else ""
    return ", ".join(day.isoformat() for day in days[:PREVIEW_ROWS]) + more if days else "none"


def picture(svg: str) -> str:
    """An SVG as a markdown image."""
    return f"![picture](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
