"""Files into the lake: every row is kept or dropped with a reason, and all files enter together or none does."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scalper.clock import monotonic
from scalper.errors import BadInput
from scalper.files import as_json
from scalper.lake.files.checks import RowChecks
from scalper.lake.files.intake import Intake, Tally
from scalper.lake.files.opening import opener
from scalper.lake.files.readers import LENGTHS, Chunk, ImportOptions, Source, Stamps
from scalper.lake.store import Lake
from scalper.lake.transaction import transaction
from scalper.market import RollRule, instrument

Progress = Callable[[int, int], None]
Opener = Callable[[Path], Sequence[Source]]
AHEAD = 2
"""Chunks that the reader may be ahead."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `rows_read == rows_kept + sum(dropped)`; rows are those of the files (ticks are rows), `bars`
    what was added to the lake, `enriched` the bars there that got columns which they lacked.

    `named_by` is the roll rule, where rows named no contract; `notes` what else a person should know.
    """

    rows_read: int
    rows_kept: int
    dropped: dict[str, int]
    contracts: list[str]
    sessions: list[str]
    bars: int
    enriched: int
    volume: int
    interval: str
    named_by: str | None
    notes: list[str]
    manifest: Path
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper import` (sessions as a number)."""
        return {
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "dropped": self.dropped,
            "contracts": self.contracts,
            "sessions": len(self.sessions),
            "bars": self.bars,
            "enriched": self.enriched,
            "volume": self.volume,
            "interval": self.interval,
            "named_by": self.named_by,
            "notes": self.notes,
            "seconds": round(self.seconds, 3),
        }


def import_files(
    lake: Lake,
    paths: Sequence[Path],
    *,
    symbol: str,
    interval: str | None = None,
    tz: str | None = None,
    roll: RollRule = "monday",
    stamps: Stamps | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import files as source `import`; see `opening.open_source` for the kinds and `ImportOptions` for the rest.

    `progress` gets the bytes done and in all.

    Importing the same rows again changes nothing. Raises BadInput naming file, row and remedy; the lake then is as it
    was, as it is after an interruption.
    """
    if interval is not None and interval not in LENGTHS:
        raise BadInput(f"--interval {interval!r}: unknown; use {', '.join(LENGTHS)}")
    options = ImportOptions(symbol, interval, tz, roll, stamps)

    request = {"kind": "import", **asdict(options)}
    opened = opener(paths, options=options)
    return bring_in(lake, paths, opened, source="import", symbol=symbol, request=request, roll=roll, progress=progress)


def bring_in(
    lake: Lake,
    paths: Sequence[Path],
    opener: Opener,
    *,
    source: str,
    symbol: str,
    request: dict[str, Any],
    roll: RollRule = "monday",
    fronts: Mapping[date, Mapping[str, str]] | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """The one way into the lake, of imports and downloads: open, check, merge, stage, publish, manifest last.

    `fronts` are metadata for session files, by date: the contracts that a continuous symbol stood for. Raises BadInput;
    Refused if another import is running.
    """
    started = monotonic()
    tick = instrument(symbol).tick
    if not paths:
        raise BadInput("no files to import: name at least one")
    written = [_written(path) for path in paths]
    first = opener(paths[0])
    interval = first[0].interval
    files = [fingerprint(path) for path in paths]
    identity = hashlib.sha256(json.dumps([request, source, files], sort_keys=True).encode()).hexdigest()[:16]
    manifest = f"manifests/{source}/{identity}.json"
    keys = {"source": source, "symbol": symbol, "interval": interval}
    notes: list[str] = []
    with transaction(lake, identity) as into:
        with Intake(lake, into, keys, roll=roll, fronts=fronts) as intake:
            read = 0
            for number, path in enumerate(paths):
                sizes = [file["bytes"] for file in files]
                shown = None if progress is None else _share(progress, sum(sizes[:number]), sizes[number], sum(sizes))
                for one in first if number == 0 else opener(path):
                    if one.interval != interval:
                        both = f"holds {one.interval} bars, {paths[0]} {interval}"
                        raise BadInput(f"{one.path}: {both}; import them separately")
                    read += _read(one, intake, RowChecks(one.path, interval, tick, one.checked), shown)
                    notes += one.notes
            notes += intake.finish()
        found = summary(intake.tally, read, roll)
        document = request | {"id": identity, "source": source, "interval": interval, "files": files} | found
        document["sessions"] = [day.isoformat() for day in sorted(intake.tally.seen)]
        before = lake.storage.exists(manifest)
        if intake.staged or not before:  # one that adds nothing keeps the manifest it has
            for path, before_it in zip(paths, written, strict=True):
                if _written(path) != before_it:
                    raise BadInput(f"{path}: it changed while it was read; import it again when nobody writes it")
            into.stage(manifest).write_bytes(as_json(_told(lake, manifest, document) if before else document))
            into.commit()
    return ImportReport(
        **found,
        interval=interval,
        notes=notes,
        manifest=lake.storage.root / manifest,
        seconds=monotonic() - started,
    )


def _told(lake: Lake, manifest: str, document: dict[str, Any]) -> dict[str, Any]:
    """The manifest of files that are imported again, such as for a session that left the lake: its figures are those
    of the import that kept the most rows, its sessions all that the files hold. Raises BadInput if it is damaged."""
    try:
        before: dict[str, Any] = json.loads(lake.storage.read(manifest))
    except ValueError as error:
        raise BadInput(f"{lake.storage.uri(manifest)}: damaged ({error}); delete it and import again") from None
    best = max(before, document, key=lambda one: one["rows_kept"])
    return best | {"sessions": document["sessions"]}


def _read(source: Source, intake: Intake, checks: RowChecks, shown: Callable[[float], None] | None) -> int:
    """Take every chunk of a file; returns how many rows it has."""
    read = 0
    intake.begin(source.path)
    for chunk in ahead(source.chunks):
        codes = intake.codes(chunk.frame["contract"])
        checks.check(chunk.frame, codes)
        intake.tally.dropped.update(chunk.dropped)
        intake.add(chunk.frame, codes)
        read += chunk.read
        if shown is not None and chunk.share is not None:
            shown(chunk.share)
    checks.finish()
    if shown is not None:
        shown(1.0)
    return read


def ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same chunks, read by a thread while the caller works; an error comes where it would have come."""
    with ThreadPoolExecutor(1, "reader") as pool:
        waiting = deque(pool.submit(next, chunks, None) for _ in range(AHEAD))
        while (chunk := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, chunks, None))
            yield chunk


def _share(progress: Progress, before: int, size: int, total: int) -> Callable[[float], None]:
    return lambda share: progress(before + int(size * share), total)


def summary(tally: Tally, read: int, roll: RollRule) -> dict[str, Any]:
    """The figures of an import as its manifest keeps them."""
    return {
        "rows_read": read,
        "rows_kept": tally.kept,
        "dropped": {why: count for why, count in sorted(tally.dropped.items()) if count},
        "contracts": sorted(tally.contracts),
        "sessions": [day.isoformat() for day in sorted(tally.sessions)],
        "bars": tally.bars,
        "enriched": tally.enriched,
        "volume": tally.volume,
        "named_by": roll if tally.named else None,
    }


def _written(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None if there is none, which its reader says better."""
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None


def fingerprint(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file, as manifests keep them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}
