"""Downloads: raw DBN files as they came, each with a manifest, and from them session files like any import's.

What has been paid for is never asked again: a session that a raw file covers is taken from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from scalper.errors import BadInput, VendorError
from scalper.lake.dbn import DAY_NS, Names, open_dbn
from scalper.lake.importing import ImportReport, bring_in, fingerprint
from scalper.lake.raw import (
    DownloadRequest,
    covers,
    fetch,
    manifest_of,
    manifests,
    pieces,
    query,
    raw_folder,
    symbol_of,
)
from scalper.lake.readers import Source, day_of
from scalper.lake.store import Lake, bar_keys
from scalper.lake.vendor import Vendor
from scalper.market import Session, instrument, parse_contract

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What was asked and what entered the lake; `files` are the raw files that serve the request."""

    cost_usd: float
    requests: int
    files: list[Path]
    imported: ImportReport | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper download`."""
        nothing: dict[str, Any] = {"rows_read": 0, "rows_kept": 0, "dropped": {}, "contracts": [], "sessions": 0}
        figures = self.imported.as_dict() if self.imported else nothing | {"bars": 0, "volume": 0}
        return figures | {"cost_usd": self.cost_usd, "requests": self.requests}


def download(
    lake: Lake,
    request: DownloadRequest,
    *,
    key: SecretStr | str | None,
    gateway: str | None = None,
    cap_usd: float = 25.0,
    progress: Progress | None = None,
) -> DownloadReport:
    """Bring the requested sessions into the lake; asks the cost first.

    Repeatable: what raw files cover is not asked again, sessions that are in the lake are not imported again. Raises
    BadInput without a key or for an unknown symbol, VendorError if the cost is above `cap_usd` (nothing is downloaded)
    or the vendor refuses, VendorBusy if it does not answer.
    """
    instrument(request.symbol)
    if not request.sessions:
        raise BadInput(f"no sessions of {request.symbol} to download: widen the dates")

    @cache
    def had(symbol: str) -> list[dict[str, Any]]:
        return [document for _, document in manifests(raw_folder(lake, request, symbol))]

    missing = pieces(request, lambda symbol, one: not any(covers(document, one) for document in had(symbol)))
    cost = 0.0
    if missing:
        vendor = Vendor(key, gateway)
        costs = [vendor.cost(**query(request, piece)) for piece in missing]
        cost = sum(costs)
        if cost > cap_usd:
            raise VendorError(
                f"{request.symbol} {request.schema}, {len(missing)} requests: would cost ${cost:.2f}, the cap is "
                f"${cap_usd:.2f}; nothing was downloaded: shorten the dates or raise databento.cap_usd"
            )
        for done, (piece, usd) in enumerate(zip(missing, costs, strict=True)):
            fetch(lake, request, piece, vendor, usd)
            if progress is not None:
                progress(done + 1, len(missing))
    files = _serving(lake, request)
    return DownloadReport(cost, len(missing), files, _bring_in(lake, request, files))


def _serving(lake: Lake, request: DownloadRequest) -> list[Path]:
    """The raw files that hold any of the request's sessions, in order of time."""
    by_symbol: dict[str, list[Session]] = {}
    for one in request.sessions:
        by_symbol.setdefault(symbol_of(request, one.date)[0], []).append(one)
    return [
        raw
        for symbol, held in by_symbol.items()
        for raw, document in manifests(raw_folder(lake, request, symbol))
        if any(covers(document, one) for one in held)
    ]


def _bring_in(lake: Lake, request: DownloadRequest, files: Sequence[Path]) -> ImportReport | None:
    """Import the raw files that never were, or of which a session left the lake.

    Raises BadInput if a raw file is not as it came.
    """
    documents = {raw: json.loads(manifest_of(raw).read_text()) for raw in files}
    absent = [one for one in request.sessions if not lake.exists("bars", _keys(request, one.date))]
    known = _imported(lake, request.source)
    due = [
        raw
        for raw, document in documents.items()
        if document["file"]["sha256"] not in known or any(covers(document, one) for one in absent)
    ]
    if not due:
        return None
    for raw in due:
        if fingerprint(raw) != documents[raw]["file"]:
            raise BadInput(f"{raw}: not as it was downloaded; delete it with its manifest and download again")

    def opener(path: Path) -> Source:
        return open_dbn(path, symbol=request.symbol, interval=request.interval, names=_known(documents[path]))

    asked = {"kind": "download", "symbol": request.symbol, "schema": request.schema, "roll": request.roll}
    cost = sum(documents[raw]["cost_usd"] for raw in due)
    return bring_in(
        lake,
        due,
        opener,
        source=request.source,
        symbol=request.symbol,
        request=asked | {"dataset": request.dataset, "cost_usd": cost},
        fronts=_fronts([names for raw in due if (names := _known(documents[raw]))]),
    )


def _imported(lake: Lake, source: str) -> set[str]:
    """SHA-256 of every file that the source's import manifests name."""
    manifests = (lake.root / "manifests" / source).glob("[!.]*.json")
    return {file["sha256"] for path in manifests for file in json.loads(path.read_text())["files"]}


def _keys(request: DownloadRequest, day: date) -> dict[str, str]:
    return bar_keys(request.source, request.symbol, request.interval, day)


def _known(document: dict[str, Any]) -> Names | None:
    if document["names"] is None:
        return None
    return [(number, date.fromisoformat(a), date.fromisoformat(b), name) for number, a, b, name in document["names"]]


def _fronts(every: Sequence[Names]) -> dict[date, str]:
    """For each UTC date the contract that the continuous symbol stood for."""
    epoch = date(1970, 1, 1)
    return {
        day_of(day * DAY_NS): parse_contract(text, start)
        for names in every
        for _, start, end, text in names
        for day in range((start - epoch).days, (end - epoch).days)
    }
