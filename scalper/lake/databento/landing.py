"""From raw files to session files: each raw file is one import, so that a killed download loses little."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from scalper.errors import BadInput
from scalper.lake.databento.raw import Raw, load
from scalper.lake.databento.request import DownloadRequest
from scalper.lake.files.dbn import Names
from scalper.lake.files.importing import ImportReport, bring_in, fingerprint
from scalper.lake.files.opening import open_dbn
from scalper.lake.files.readers import DAY_NS, ImportOptions, Source, day_of
from scalper.lake.schema import FRONT_KEYS
from scalper.lake.store import Lake, bar_keys
from scalper.market import parse_contract


class Landing:
    """The imports of one request; knows what raw files are in the lake already."""

    def __init__(self, lake: Lake, request: DownloadRequest) -> None:
        self._lake, self._request = lake, request
        self._sessions: dict[str, set[str]] = {}
        for name in lake.storage.names(f"manifests/{request.source}", ".json"):
            document = load(lake, name)
            for file in document["files"]:
                self._sessions.setdefault(file["sha256"], set()).update(document["sessions"])
        self.reports: list[ImportReport] = []

    def land(self, raw: Raw) -> None:
        """Import the files of an answered request that never were, or of which a session left the lake.

        Raises BadInput if a raw file is not as it came.
        """
        lines = {line["name"]: line for line in raw.document["files"]}
        folder = raw.name.rsplit("/", 1)[0]
        for name in raw.files:
            line = lines[name.removeprefix(f"{folder}/")]
            if self._is_due(line["sha256"]) and self._lake.storage.exists(name):
                self._import(name, line, raw)

    def held(self, day: date) -> bool:
        """Whether the lake has the session's bars."""
        return self._lake.exists("bars", self._keys(day))

    def _keys(self, day: date) -> dict[str, str]:
        return bar_keys(self._request.source, self._request.symbol, self._request.interval, day)

    def _is_due(self, sha256: str) -> bool:
        known = self._sessions.get(sha256)
        return known is None or not all(self.held(date.fromisoformat(day)) for day in known)

    def _import(self, name: str, line: dict[str, Any], raw: Raw) -> None:
        request, document = self._request, raw.document
        names = known_names(document)
        with ExitStack() as stack:
            path = stack.enter_context(self._lake.storage.local(name))
            if fingerprint(path)["sha256"] != line["sha256"]:
                where = self._lake.storage.uri(name)
                raise BadInput(f"{where}: not as it was downloaded; delete it with its manifest and download again")

            def opener(one: Path) -> list[Source]:
                return [open_dbn(one, options=ImportOptions(request.symbol, interval=request.interval), names=names)]

            asked = {"kind": "download", "symbol": request.symbol, "schema": document["request"]["schema"]}
            report = bring_in(
                self._lake,
                [path],
                opener,
                source=request.source,
                symbol=request.symbol,
                request=asked | {"dataset": request.dataset, "asked": document["request"]["symbols"]},
                fronts=_fronts(document, names),
            )
        self.reports.append(report)
        self._sessions.setdefault(line["sha256"], set()).update(report.sessions)


def known_names(document: Mapping[str, Any]) -> Names | None:
    """Who the instrument ids of a raw file are, where its own header names no contracts."""
    if document["names"] is None:
        return None
    return [(number, date.fromisoformat(a), date.fromisoformat(b), name) for number, a, b, name in document["names"]]


def _fronts(document: Mapping[str, Any], names: Names | None) -> dict[date, dict[str, str]]:
    """For each UTC date the contract that the continuous symbol stood for, under the metadata key of its letter."""
    if names is None:
        return {}
    key = FRONT_KEYS[document["request"]["symbols"].split(".")[1]]
    epoch = date(1970, 1, 1)
    return {
        day_of(day * DAY_NS): {key: parse_contract(text, start)}
        for _, start, end, text in names
        for day in range((start - epoch).days, (end - epoch).days)
    }
