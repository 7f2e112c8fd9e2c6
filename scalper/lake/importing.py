"""Files into the lake: every row is kept or dropped with a reason, and all files enter together or none does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from scalper.clock import monotonic
from scalper.errors import BadInput
from scalper.lake.checks import RowChecks
from scalper.lake.intake import Intake, Tally
from scalper.lake.readers import Source, open_source
from scalper.lake.store import Lake
from scalper.lake.transaction import Transaction, transaction
from scalper.market import INTERVALS, instrument

Progress = Callable[[int, int], None]
Opener = Callable[[Path], Source]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `rows_read == rows_kept + sum(dropped)`; rows are those of the files (ticks are rows), `bars`
    what was added to the lake. `quarantined` is for the quality rules to fill in."""

    rows_read: int
    rows_kept: int
    dropped: dict[str, int]
    contracts: list[str]
    sessions: list[str]
    bars: int
    volume: int
    interval: str
    manifest: Path
    seconds: float
    quarantined: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper import` (sessions as a number)."""
        return {
            "rows_read": self.rows_read,
            "rows_kept": self.rows_kept,
            "dropped": self.dropped,
            "contracts": self.contracts,
            "sessions": len(self.sessions),
            "bars": self.bars,
            "volume": self.volume,
            "interval": self.interval,
            "seconds": round(self.seconds, 3),
            "quarantined": self.quarantined,
        }


def import_files(
    lake: Lake,
    paths: Sequence[Path],
    *,
    symbol: str,
    interval: str | None = None,
    tz: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Import files as source `import`; see `readers.open_source` for the kinds.

    Importing the same rows again changes nothing. Raises BadInput naming file, row and remedy; the lake then is as it
    was, as it is after an interruption.
    """
    if interval is not None and interval not in INTERVALS:
        raise BadInput(f"--interval {interval!r}: unknown; use {', '.join(INTERVALS)}")
    request = {"kind": "import", "symbol": symbol, "interval": interval, "tz": tz}

    def opener(path: Path) -> Source:
        return open_source(path, symbol=symbol, interval=interval, tz=tz)

    return bring_in(lake, paths, opener, source="import", symbol=symbol, request=request, progress=progress)


def bring_in(
    lake: Lake,
    paths: Sequence[Path],
    opener: Opener,
    *,
    source: str,
    symbol: str,
    request: dict[str, Any],
    fronts: dict[date, str] | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """The one way into the lake, of imports and downloads: open, check, merge, stage, publish, manifest last.

    `fronts` are the contracts that a continuous symbol stood for, by session. Raises BadInput; Refused if another
    import is running.
    """
    started = monotonic()
    tick = instrument(symbol).tick
    if not paths:
        raise BadInput("no files to import: name at least one")
    first = opener(paths[0])
    files = [fingerprint(path) for path in paths]
    identity = hashlib.sha256(json.dumps([request, source, files], sort_keys=True).encode()).hexdigest()[:16]
    manifest = Path("manifests", source, f"{identity}.json")
    with transaction(lake.root, identity) as into:
        intake = Intake(lake, into, source, symbol, first.interval, fronts or {})
        read = 0
        for done, path in enumerate(paths):
            opened = first if done == 0 else opener(path)
            if opened.interval != first.interval:
                both = f"holds {opened.interval} bars, {paths[0]} {first.interval}"
                raise BadInput(f"{path}: {both}; import them separately")
            read += _read(opened, intake, RowChecks(path, opened.interval, tick, opened.ticks))
            if progress is not None:
                progress(done + 1, len(paths))
        intake.flush()
        document = request | {"id": identity, "source": source, "interval": first.interval, "files": files}
        _publish(lake, into, manifest, document | summary(intake.tally, read))
    done_in = monotonic() - started
    return _report(intake.tally, read, first.interval, lake.root / manifest, done_in)


def _read(source: Source, intake: Intake, checks: RowChecks) -> int:
    read = 0
    for chunk in source.chunks:
        checks.check(chunk.frame)
        intake.tally.dropped.update(chunk.dropped)
        intake.add(source.path, chunk.frame, ticks=source.ticks)
        read += chunk.read
    checks.finish()
    return read


def summary(tally: Tally, read: int) -> dict[str, Any]:
    """The figures of an import as its manifest keeps them."""
    return {
        "rows_read": read,
        "rows_kept": tally.kept,
        "dropped": {why: count for why, count in sorted(tally.dropped.items()) if count},
        "contracts": sorted(tally.contracts),
        "sessions": [day.isoformat() for day in sorted(tally.sessions)],
        "bars": tally.bars,
        "volume": tally.volume,
    }


def _report(tally: Tally, read: int, interval: str, manifest: Path, seconds: float) -> ImportReport:
    return ImportReport(**summary(tally, read), interval=interval, manifest=manifest, seconds=seconds)


def _publish(lake: Lake, into: Transaction, manifest: Path, document: dict[str, Any]) -> None:
    """Rename everything into the lake, the manifest last. An import that adds nothing keeps the manifest it has."""
    if document["bars"] or not (lake.root / manifest).is_file():
        into.stage(manifest).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        into.commit()


def fingerprint(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file, as manifests keep them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}
