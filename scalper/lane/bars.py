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
from scalper.lake.databento import DownloadReport, DownloadRequest, download
from scalper.lake.quality import QualityReport, bars_digest, check_sessions, read_report
from scalper.lane.stage import Progress, StageReport, bar, calendar
from scalper.market import Session
from scalper.settings import Environment, Home, Lane
from scalper.simulate.sketch import columns_svg


def _chosen(every: Sequence[Session], days: Sequence[date] | None) -> list[Session]:
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

    `gateway` and `key` default to the environment's. Raises BadInput without a key, VendorError over the spending cap.
    """
    started = clock.monotonic()
    lake, wanted = Lake(home.lake), _chosen(calendar(lane), days)
    detail: dict[str, Any] = {}
    if lane.source != "import":
        with bar(f"{lane.name}: download", progress) as advance:
            detail = fetch(lane, home, wanted, gateway=gateway, key=key, progress=advance).as_dict()
    held = [
        one for one in wanted if lake.exists("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, one.date))
    ]
    if not held:
        raise DataUnavailable(_no_bars(lane))
    rows, preview = _bar_table(lane, lake, held)
    lake.views()
    detail |= {"sessions": len(held), "missing": len(wanted) - len(held)}
    daily = preview.group_by("session", maintain_order=True).agg(pl.col("volume").sum())
    picture = columns_svg("volume a session, contracts", daily["session"].to_list(), daily["volume"].to_list())
    return StageReport("bars", rows, len(held), 0, clock.monotonic() - started, detail, preview.tail(8), picture)


def _no_bars(lane: Lane) -> str:
    how = "scalper import" if lane.source == "import" else "scalper download"
    return f"lane {lane.name}: the lake has no {lane.interval} bars of {lane.symbol}; run {how} first"


def fetch(
    lane: Lane,
    home: Home,
    wanted: Sequence[Session],
    *,
    gateway: str | None = None,
    key: SecretStr | str | None = None,
    progress: Progress | None = None,
) -> DownloadReport:
    """Download sessions through Databento's client; what the lake or the raw folder has is not asked again."""
    environment = Environment()
    request = DownloadRequest(
        symbol=lane.symbol,
        schema="ohlcv-1s" if lane.interval == "1s" else "ohlcv-1m",
        sessions=tuple(wanted),
        roll=lane.roll,
        source=lane.source_key,
        dataset=lane.databento.dataset,
        chunk_sessions=lane.databento.chunk_sessions,
    )
    return download(
        Lake(home.lake),
        request,
        key=key or environment.databento_api_key,
        gateway=gateway or environment.databento_gateway,
        cap_usd=lane.databento.cap_usd,
        progress=progress,
    )


def _bar_table(lane: Lane, lake: Lake, held: Sequence[Session]) -> tuple[int, pl.DataFrame]:
    """Rows held, and a row a session: contract, bars, volume, close."""
    files = [lake.path("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, one.date)) for one in held]
    frame = (
        pl.scan_parquet(files, include_file_paths="path", hive_partitioning=False)
        .group_by("path", "contract")
        .agg(pl.len().alias("bars"), pl.col("volume").sum(), pl.col("close").last())
        .with_columns(pl.col("path").str.extract(r"date=(\d{4}-\d{2}-\d{2})").str.to_date().alias("session"))
        .sort("session", "contract")
        .collect()
    )
    return int(frame["bars"].sum()), frame.select("session", "contract", "bars", "volume", "close")


def check(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> QualityReport:
    """Run the data-quality rules over the lane's sessions; what fails is quarantined."""
    lake = Lake(home.lake)
    if not lake.dates("bars", {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}):
        raise DataUnavailable(_no_bars(lane))
    with bar(f"{lane.name}: quality", progress) as advance:
        return check_sessions(
            lake,
            source=lane.source_key,
            symbol=lane.symbol,
            interval=lane.interval,
            roll=lane.roll,
            sessions=_chosen(calendar(lane), days),
            limits=lane.quality,
            progress=advance,
        )


def quality(lane: Lane, home: Home) -> QualityReport:
    """The quality report on the lane's sessions as it was last written; made now if there is none that fits."""
    lake, every = Lake(home.lake), calendar(lane)
    found = read_report(lake, lane.source_key, lane.symbol, lane.interval)
    span = {"roll": lane.roll, "start": every[0].date.isoformat(), "end": every[-1].date.isoformat()}
    bars = bars_digest(lake, lane.source_key, lane.symbol, lane.interval, every)
    wanted = span | lane.quality.model_dump() | {"bars": bars}
    if found is not None and all(found.request.get(key) == value for key, value in wanted.items()):
        return found
    return check(lane, home)


def usable(lane: Lane, home: Home) -> list[Session]:
    """The sessions that are not quarantined, from the first to the last in the lake, in order.

    One between them that the lake lacks, or lacks in the contract that the roll rule holds, is a flat session: it has
    no rows to learn from and earns nothing, but it counts.
    """
    lake, bad = Lake(home.lake), quality(lane, home).quarantined
    there = lake.dates("bars", {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval})
    if not there:
        raise DataUnavailable(_no_bars(lane))
    return [one for one in calendar(lane) if there[0] <= one.date <= there[-1] and one.date not in bad]
