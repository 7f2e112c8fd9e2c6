"""The raw folder: the vendor's files as they came, read-only, each request's with a manifest beside them.

`raw/<source>/<dataset>/<schema>/<vendor's symbol>/<first>_<last moment>.json` is a manifest; the files that it names
lie beside it, or in the folder of its name where a batch job gave several. A file counts only with its manifest, which
is written last. What a manifest covers is never asked again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalper.errors import BadInput, Refused
from scalper.files import as_json
from scalper.lake.databento.request import Piece
from scalper.lake.store import Lake
from scalper.market import Session

READ_ONLY = 0o444
DOWNLOADING = "download.lock"
"""The scratch file that `alone` locks; it is never removed, for a lock on another file of that name excludes nobody."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A request that was answered: its manifest's name below the lake, and the manifest."""

    name: str
    document: dict[str, Any]

    @property
    def files(self) -> list[str]:
        """Names of the data files, in order of time."""
        folder = self.name.rsplit("/", 1)[0]
        return [f"{folder}/{file['name']}" for file in self.document["files"] if file["name"].endswith(".dbn.zst")]

    def covers(self, one: Session) -> bool:
        """Whether it was asked for the whole session."""
        return self.document["start_ns"] <= one.open_ns and one.close_ns <= self.document["end_ns"]


def raw_folder(source: str, dataset: str, schema: str, symbol: str) -> str:
    """Where the raw files of a vendor's symbol lie, below the lake."""
    return f"raw/{source}/{dataset}/{schema}/{symbol}"


def folder_of(source: str, piece: Piece) -> str:
    """Where the raw files of a call lie."""
    return raw_folder(source, piece.dataset, piece.schema, piece.symbol)


def raws(lake: Lake, folder: str) -> list[Raw]:
    """The answered requests of one folder whose files are there, in order of time. Raises BadInput for a damaged
    manifest."""
    every = set(lake.storage.names(folder))
    found = [Raw(name, load(lake, name)) for name in sorted(every) if _is_manifest(folder, name)]
    return [raw for raw in found if every.issuperset(raw.files)]


def load(lake: Lake, name: str) -> dict[str, Any]:
    """A JSON document of the raw folder. Raises BadInput if it is damaged."""
    try:
        return json.loads(lake.storage.read(name))
    except ValueError as error:
        raise BadInput(
            f"{lake.storage.uri(name)}: damaged ({error}); delete it, and what it stands for is asked for again"
        ) from None


def keep_file(lake: Lake, part: Path, name: str) -> dict[str, Any]:
    """Move a finished file into the raw folder, read-only and on the disk for good; its line of a manifest."""
    with part.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    size = part.stat().st_size
    part.chmod(READ_ONLY)
    lake.storage.put(part, name)
    return {"name": name, "bytes": size, "sha256": digest}


def keep_manifest(lake: Lake, source: str, piece: Piece, files: Sequence[dict[str, Any]], about: dict[str, Any]) -> Raw:
    """Write the manifest of a call whose files are all there: from now on they count."""
    folder = folder_of(source, piece)
    start, end = piece.covers
    own = [line | {"name": line["name"].removeprefix(f"{folder}/")} for line in files]
    document = about | {"request": piece.told, "start_ns": start, "end_ns": end, "files": own}
    name = f"{folder}/{piece.name}.json"
    lake.storage.write(name, as_json(document))
    return Raw(name, document)


def scratch(lake: Lake, source: str, piece: Piece) -> Path:
    """Where a call's answer is written while it comes; the same for the same call, so that no scraps pile up."""
    text = f"{folder_of(source, piece)}/{piece.name}"
    return lake.storage.scratch() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.dbn.zst"


@contextmanager
def alone(lake: Lake) -> Generator[None]:
    """Be the only download into this lake on this machine: two would pay twice. Raises Refused if there is another."""
    with (lake.storage.scratch() / DOWNLOADING).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{lake.storage.address}: another download is under way; wait until it has ended") from None
        yield


def _is_manifest(folder: str, name: str) -> bool:
    """A document directly in the folder that is no record of a job under way."""
    direct = "/" not in name.removeprefix(f"{folder}/")
    return direct and name.endswith(".json") and not name.endswith(".job.json")
