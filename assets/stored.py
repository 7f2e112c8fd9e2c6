"""Checks of session files that a run has just written: are they there, whole and in step."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import polars as pl
import polars.selectors as cs

from assets.stage import some_days
from scalper.features import catalogue
from scalper.lake import Lake
from scalper.lane import usable
from scalper.settings import Home, Lane


def present(lane: Lane, home: Home, asset: dg.AssetKey, days: Sequence[date]) -> dg.AssetCheckResult:
    """Every usable session of the run has a file of this kind; that of a flat session has no rows."""
    lake, kind = Lake(home.lake), asset.path[-1]
    good = {one.date for one in usable(lane, home)}
    wanted = [day for day in days if day in good]
    absent = [day for day in wanted if not lake.exists(kind, _keys(lane, day))]
    return _result(asset, "present", len(wanted), absent)


def finite(lane: Lane, home: Home, asset: dg.AssetKey, days: Sequence[date]) -> dg.AssetCheckResult:
    """No float of the sessions' files is null, NaN or infinite, but where the catalogue says that it may be missing."""
    lake, kind = Lake(home.lake), asset.path[-1]
    declared = {one.name for one in catalogue(lane.features, lane.interval_ns) if one.missing}
    stored = [day for day in days if lake.exists(kind, _keys(lane, day))]
    broken = [day for day in stored if not _finite(lake.read(kind, _keys(lane, day)).drop(declared, strict=False))]
    return _result(asset, "finite", len(stored), broken)


def same_rows(lane: Lane, home: Home, asset: dg.AssetKey, days: Sequence[date]) -> dg.AssetCheckResult:
    """Features and this kind have the same stamps."""
    lake, kind = Lake(home.lake), asset.path[-1]
    stored = [day for day in days if lake.exists(kind, _keys(lane, day)) and lake.exists("features", _keys(lane, day))]
    apart = [
        day
        for day in stored
        if not lake.read(kind, _keys(lane, day))["ts_ns"].equals(lake.read("features", _keys(lane, day))["ts_ns"])
    ]
    return _result(asset, "same_rows", len(stored), apart)


def _keys(lane: Lane, day: date) -> dict[str, str]:
    return {"lane": lane.name, "date": day.isoformat()}


def _finite(frame: pl.DataFrame) -> bool:
    floats = frame.select(cs.float())
    return floats.select(pl.all().is_finite().fill_null(False).all()).row(0).count(False) == 0


def _result(asset: dg.AssetKey, name: str, checked: int, failed: Sequence[date]) -> dg.AssetCheckResult:
    """One row a check: how many sessions failed it, of how many, and the first of them."""
    first = f", first {failed[0]}" if failed else ""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{len(failed)} of {checked} sessions fail{first}",
        metadata={
            "value": len(failed),
            "threshold": 0,
            "sessions checked": checked,
            "failed sessions": some_days(failed),
        },
    )
