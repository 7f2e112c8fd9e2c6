"""The lane's bars: downloaded or imported, judged by the quality rules, and the sessions that may be used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
from pydantic import SecretStr

from scalper import clock
from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake, bar_keys
from scalper.lake.aggregate import derive
from scalper.lake.databento.download import DownloadReport, download, estimate
from scalper.lake.databento.plan import Estimate, lacking
from scalper.lake.databento.request import DownloadRequest
from scalper.lane.stage import Progress, StageReport, bar, calendar
from scalper.log import say
from scalper.market import Session
from scalper.settings import Environment, Home, Lane
from scalper.simulate.sketch import columns_svg


def chosen(every: Sequence[Session], days: Sequence[date] | None) -> list[Session]:
    """The sessions of `days`, all if None. Raises BadInput for a day without a session."""
    if days is None:
        return list(every)
    at = {one.date: one for one in every}
    unknown = [day for day in days if day not in at]
    if unknown:
        raise BadInput(f"{unknown[0]} is no session of the lane; see its start and end, and the exchange's calendar")
    return [at[day] for day in days]


def bars(
    lane: Lane,
    home: Home,
    days: Sequence[date] | None = None,
    *,
    gateway: str | None = None,
    key: SecretStr | str | None = None,
    progress: Progress | None = None,
) -> StageReport:
    """See that the lake holds the lane's sessions: downloaded where the source is a vendor, else what was imported.

    Sessions that the lake has in finer bars only are aggregated from those; the detail `derived` says how many.

    `gateway` and `key` default to the environment's. Raises BadInput without a key, VendorError over the spending cap.
    """
    started = clock.monotonic()
    lake, wanted = Lake(home.lake), chosen(calendar(lane), days)
    detail: dict[str, Any] = {}
    if lane.source != "import":
        with bar(f"{lane.name}: download", progress) as advance:
            detail = fetch(lane, home, wanted, gateway=gateway, key=key, progress=advance).as_dict()
    if derived := completed(lane, lake, wanted, progress):
        detail["derived"] = derived
    held = [
        one for one in wanted if lake.exists("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, one.date))
    ]
    if not held:
        raise DataUnavailable(none_of(lane, lake, wanted))
    whole = [one for one in held if _readable(lane, lake, one)]
    rows, preview = _bar_table(lane, lake, whole)
    detail |= {"sessions": len(held), "missing": len(wanted) - len(held)}
    if broken := len(held) - len(whole):
        detail["broken files"] = broken
    else:
        lake.views()
    daily = preview.group_by("session", maintain_order=True).agg(pl.col("volume").sum())
    picture = columns_svg("volume a session, contracts", daily["session"].to_list(), daily["volume"].to_list())
    return StageReport("bars", rows, len(held), 0, clock.monotonic() - started, detail, preview.tail(8), picture)


def completed(lane: Lane, lake: Lake, wanted: Sequence[Session], progress: Progress | None) -> dict[str, Any]:
    """Make what is missing of the lane's interval, and what was made of bars that have changed; empty if nothing was
    ever made."""
    sound = [one for one in wanted if _readable(lane, lake, one)]
    found = derive(lake, lane.source_key, lane.symbol, lane.interval, sound, progress=progress)
    return found.as_dict() if found.made or found.fresh else {}


def no_bars(lane: Lane) -> str:
    how = "scalper import" if lane.source == "import" else "scalper download"
    return f"lane {lane.name}: the lake has no {lane.interval} bars of {lane.symbol}, nor finer ones; run {how} first"


def none_of(lane: Lane, lake: Lake, wanted: Sequence[Session]) -> str:
    """That the lake has none of these sessions, and which ones it has."""
    there = lake.dates("bars", keys_of(lane))
    if not there or not wanted:
        return no_bars(lane)
    how = "import" if lane.source == "import" else "download"
    return (
        f"lane {lane.name}: the lake's {lane.interval} bars of {lane.symbol} are of {there[0]} to {there[-1]}, none of "
        f"the lane's dates {wanted[0].date} to {wanted[-1].date}; {how} these, or change the lane's start and end"
    )


def fetch(
    lane: Lane,
    home: Home,
    wanted: Sequence[Session],
    *,
    gateway: str | None = None,
    key: SecretStr | str | None = None,
    progress: Progress | None = None,
) -> DownloadReport:
    """Download sessions through Databento's client; what the lake or the raw folder has is not asked again.

    So all of a lane's sessions are its nightly update: what is missing is asked for, gaps of earlier nights included.
    """
    environment = Environment()
    return download(
        Lake(home.lake),
        _request(lane, wanted),
        key=key or environment.databento_api_key,
        gateway=gateway or environment.databento_gateway,
        cap_usd=lane.databento.cap_usd,
        progress=progress,
        show=lambda cost: say(f"{lane.name}: {cost.words()} (cap ${lane.databento.cap_usd:.2f})"),
    )


def quote(
    lane: Lane,
    home: Home,
    wanted: Sequence[Session],
    *,
    gateway: str | None = None,
    key: SecretStr | str | None = None,
) -> Estimate:
    """What `fetch` would ask for and what it would cost; nothing is downloaded."""
    environment = Environment()
    return estimate(
        Lake(home.lake),
        _request(lane, wanted),
        key=key or environment.databento_api_key,
        gateway=gateway or environment.databento_gateway,
    )


def gaps(lane: Lane, home: Home) -> list[date]:
    """Closed sessions that were never downloaded though an earlier one was; none for a lane that is imported."""
    if lane.source == "import":
        return []
    lake, request = Lake(home.lake), _request(lane, calendar(lane))
    there = lake.dates("bars", {"source": request.source, "symbol": request.symbol, "interval": request.interval})
    return [one.date for one in lacking(lake, request).sessions if one.date > there[0]] if there else []


def _request(lane: Lane, wanted: Sequence[Session]) -> DownloadRequest:
    asked = lane.databento
    return DownloadRequest(
        symbol=lane.symbol,
        schema=asked.schema_for(lane.interval),
        sessions=tuple(wanted),
        roll=lane.roll,
        source=lane.source_key,
        dataset=asked.dataset,
        chunk_sessions=asked.chunk_sessions,
        ask=asked.symbol,
        mode=asked.mode,
        parallel=asked.parallel,
        definitions=asked.definitions,
        status=asked.status,
    )


def _readable(lane: Lane, lake: Lake, one: Session) -> bool:
    """Whether a session's file, if there is one, is ours; what is wrong with it is said by the quality rules, which
    stop the lane."""
    keys = bar_keys(**keys_of(lane), day=one.date)
    try:
        return not lake.exists("bars", keys) or bool(lake.metadata("bars", keys))
    except BadInput:
        return False


def _bar_table(lane: Lane, lake: Lake, held: Sequence[Session]) -> tuple[int, pl.DataFrame]:
    """Rows held, and a row a session: contract, bars, volume, close."""
    keys = [bar_keys(lane.source_key, lane.symbol, lane.interval, one.date) for one in held]
    frame = (
        lake.scan("bars", keys)
        .group_by(pl.col("date").alias("session"), "contract")
        .agg(pl.len().alias("bars"), pl.col("volume").sum(), pl.col("close").last())
        .sort("session", "contract")
        .collect()
    )
    return int(frame["bars"].sum()), frame.select("session", "contract", "bars", "volume", "close")


def keys_of(lane: Lane) -> dict[str, str]:
    """The lane's bars in the lake."""
    return {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
