"""Downloads from Databento: cost first, then definitions, data and status through the raw folder into the lake.

What has been paid for is never asked again: a session that a raw file covers is taken from there. So a download that is
repeated goes on where it was cut, and one without anything to ask for needs neither key nor network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import date
from threading import Event
from typing import Any

from pydantic import SecretStr

from scalper.errors import ScalperError, VendorError
from scalper.lake.databento.condition import conditions, degraded_sessions, revised
from scalper.lake.databento.definitions import compare, keep_definitions, keep_status, open_definitions, open_status
from scalper.lake.databento.fetching import fetch_piece
from scalper.lake.databento.landing import Landing, known_names
from scalper.lake.databento.plan import Call, Estimate, Plan, lacking, make_plan, served
from scalper.lake.databento.raw import Raw, alone, raw_folder, raws
from scalper.lake.databento.request import DownloadRequest, contracts_of, raw_symbol
from scalper.lake.databento.vendor import Vendor
from scalper.lake.files.dbn import header, names_of
from scalper.lake.files.importing import ImportReport
from scalper.lake.files.readers import classify
from scalper.lake.store import Lake

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What was asked and what entered the lake. Session dates: `degraded` (the vendor says so), `missing` (asked for,
    and there are no bars), `not_yet` (the vendor does not have them yet), `backfilled` (gaps that were filled).

    `revised` names sessions that the vendor changed after they were fetched, with the remedy; `raws` are the answered
    requests that serve this one.
    """

    cost_usd: float
    bytes: int
    requests: int
    retries: int
    raws: list[Raw]
    imported: list[ImportReport]
    degraded: list[str]
    missing: list[str]
    not_yet: list[str]
    backfilled: list[str]
    revised: list[str]
    warnings: list[str] = field(default_factory=list[str])

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper download`."""
        reports = self.imported
        dropped: dict[str, int] = {}
        for one in reports:
            for why, count in one.dropped.items():
                dropped[why] = dropped.get(why, 0) + count
        return {
            "rows_read": sum(one.rows_read for one in reports),
            "rows_kept": sum(one.rows_kept for one in reports),
            "dropped": dropped,
            "contracts": sorted({name for one in reports for name in one.contracts}),
            "sessions": len({day for one in reports for day in one.sessions}),
            "bars": sum(one.bars for one in reports),
            "volume": sum(one.volume for one in reports),
            "enriched": sum(one.enriched for one in reports),
            "cost_usd": self.cost_usd,
            "bytes": self.bytes,
            "requests": self.requests,
            "retries": self.retries,
            "degraded": self.degraded,
            "missing": self.missing,
            "not_yet": self.not_yet,
            "backfilled": self.backfilled,
            "revised": self.revised,
            "warnings": self.warnings,
        }


def estimate(
    lake: Lake, request: DownloadRequest, *, key: SecretStr | str | None, gateway: str | None = None
) -> Estimate:
    """What `download` would ask for and what that would cost; asking is free. Raises as `download` does."""
    missing = lacking(lake, request)
    return make_plan(lake, request, missing, Vendor(key, gateway)).estimate if missing else Estimate()


def download(
    lake: Lake,
    request: DownloadRequest,
    *,
    key: SecretStr | str | None,
    gateway: str | None = None,
    cap_usd: float = 25.0,
    progress: Progress | None = None,
    show: Callable[[Estimate], None] | None = None,
) -> DownloadReport:
    """Bring the requested sessions into the lake; asks cost and size first and gives them to `show`.

    `cap_usd` holds for one call of this function, streams that broke and are asked for again included. Raises BadInput
    without a key, for a raw file that is not as it came, or for a contract that the vendor defines differently from our
    table; VendorError if the cost is above the cap (nothing is downloaded) or the vendor refuses; VendorBusy if it does
    not answer. Whatever came whole by then is kept and served the next time.
    """
    landing = Landing(lake, request)
    before = [one.date for one in request.sessions if landing.held(one.date)]
    plan, vendor = Plan([], [], conditions(lake, request.source, request.dataset), []), None
    asked: list[Raw] = []
    notes: list[str] = []
    if lacking(lake, request):
        with alone(lake):
            vendor = Vendor(key, gateway, cap_usd=cap_usd)
            plan = make_plan(lake, request, lacking(lake, request), vendor)
            _within(plan.estimate, request, cap_usd)
            if show is not None and plan.estimate.requests:
                show(plan.estimate)
            asked += _fetch(lake, request, plan.definitions, plan, vendor, lambda _: None, None)
            notes = _define(lake, request)
            asked += _fetch(lake, request, plan.data, plan, vendor, landing.land, progress)
    else:
        notes = _define(lake, request)
    serving = served(lake, request)
    for raw in serving:
        landing.land(raw)
    if request.status:
        _tell_status(lake, request)
    return _report(lake, request, plan, vendor, landing, before, serving, notes + _warnings(asked))


def _within(cost: Estimate, request: DownloadRequest, cap_usd: float) -> None:
    """Raise VendorError if the whole download would cost more than the cap."""
    if cost.cost_usd > cap_usd:
        raise VendorError(
            f"{request.symbol} {request.schema}, {cost.words()}; the cap is ${cap_usd:.2f}; "
            "nothing was downloaded: shorten the dates or raise databento.cap_usd"
        )


def _fetch(
    lake: Lake,
    request: DownloadRequest,
    calls: Sequence[Call],
    plan: Plan,
    vendor: Vendor,
    land: Callable[[Raw], None],
    progress: Progress | None,
) -> list[Raw]:
    """Ask side by side, and land in this thread what has come. The first error ends it, once the streams that are under
    way (and paid for) have come to their end; batch jobs are taken up by the next run."""
    found: list[Raw] = []
    stop = Event()

    def ask(one: Call) -> Raw | None:
        if stop.is_set():
            return None
        try:
            return fetch_piece(lake, request.source, one.piece, one.quote, vendor, plan.known, one.mode, stop)
        except (ScalperError, OSError):
            stop.set()
            raise

    with ThreadPoolExecutor(request.parallel) as pool:
        futures = [pool.submit(ask, one) for one in calls]
        try:
            for raw in (done.result() for done in as_completed(futures)):
                if raw is None:
                    continue
                found.append(raw)
                if raw.document["request"]["schema"] == request.schema:
                    land(raw)
                if progress is not None:
                    progress(len(found), len(calls))
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    return sorted(found, key=lambda raw: raw.name)


def _define(lake: Lake, request: DownloadRequest) -> list[str]:
    """Compare the definitions that were fetched with our table and keep them; notes on what they do not tell."""
    notes: list[str] = []
    for contract in contracts_of(request) if request.definitions else ():
        folder = raw_folder(request.source, request.dataset, "definition", raw_symbol(contract))
        for name in [name for raw in raws(lake, folder) for name in raw.files]:
            with lake.storage.local(name) as path:
                told, _ = open_definitions(path, symbol=request.symbol)
            for row in told.iter_rows(named=True):
                compare(row, lake.storage.uri(name))
            keep_definitions(lake, request.source, request.symbol, told)
            if told.is_empty():
                notes.append(f"{contract}: the vendor has no definition of it on the day that was asked; not compared")
    return notes


def _tell_status(lake: Lake, request: DownloadRequest) -> None:
    for raw in served(lake, request, "status"):
        held = [one for one in request.sessions if raw.covers(one)]
        for name in raw.files:
            with lake.storage.local(name) as path:
                names = known_names(raw.document) or names_of(path, header(path))
                who = {number: classify(text, request.symbol, at, any_product=True)[0] for number, at, _, text in names}
                told = open_status(path, contracts={number: name for number, name in who.items() if name})
            keep_status(lake, request.source, request.symbol, told, held)


def _warnings(asked: Sequence[Raw]) -> list[str]:
    """What the vendor said of the answers, each with what was asked."""
    found: list[str] = []
    for raw in asked:
        document = raw.document
        said = [*document["warnings"]]
        said += [f"not found: {', '.join(document['not_found'])}"] if document["not_found"] else []
        said += [f"not listed on every day: {', '.join(document['partial'])}"] if document["partial"] else []
        said += ["the vendor calls the answer partial (206)"] if document["status"] == 206 else []
        what = f"{document['request']['symbols']} {document['request']['schema']} from {document['request']['start']}"
        found += [f"{what}: {one}" for one in said]
    return found


def _report(
    lake: Lake,
    request: DownloadRequest,
    plan: Plan,
    vendor: Vendor | None,
    landing: Landing,
    before: Sequence[date],
    serving: list[Raw],
    warnings: list[str],
) -> DownloadReport:
    held = {one.date for one in request.sessions if landing.held(one.date)}
    absent = [one.date for one in request.sessions if one.date not in held and one.date not in plan.not_yet]
    fetched = [one.date for call in plan.data for one in call.piece.sessions if call.piece.schema == request.schema]
    gaps = [day for day in fetched if day in held and before and day < before[-1]]
    changed = {day: raw.name for raw in serving for day in revised(plan.known, raw, request.sessions)}
    cost, later = plan.estimate, set(plan.not_yet)
    return DownloadReport(
        cost_usd=vendor.purse.spent_usd if vendor is not None else 0.0,
        bytes=cost.bytes,
        requests=cost.requests,
        retries=vendor.retries if vendor is not None else 0,
        raws=serving,
        imported=landing.reports,
        degraded=_texts(degraded_sessions(lake, request.source, request.dataset, request.sessions).keys() - later),
        missing=_texts(absent),
        not_yet=_texts(plan.not_yet),
        backfilled=_texts(gaps),
        revised=[
            f"{day}: changed by the vendor since {name} was fetched; delete that manifest with its file, and the "
            f"session's bars in the lake, and download again"
            for day, name in sorted(changed.items())
        ],
        warnings=warnings
        + [note for one in landing.reports for note in one.notes]
        + (vendor.heard if vendor is not None else []),
    )


def _texts(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in sorted(set(days))]
