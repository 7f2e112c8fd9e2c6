"""Small files, written whole or not at all: under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scalper.errors import BadInput


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file, replacing what was there; with `sync` it survives the machine, not only the process.

    Raises BadInput if a folder has the file's name.
    """
    if path.is_dir():
        raise BadInput(f"{path}: a folder has the name of the file to be written; move it away, or write elsewhere")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """One at a time, over processes and threads; the lock lies in a file beside `path` and ends with its process."""
    with lock(path):
        yield


def lock(path: Path) -> IO[str]:
    """The same, held until the file that is returned is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f"{path.name}.lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def write_json(path: Path, document: object, *, sync: bool = True) -> None:
    """Write a document with sorted keys; dates and paths become text. Raises ValueError for NaN, which JSON lacks."""
    write_bytes(path, as_json(document), sync=sync)


def as_json(document: object) -> bytes:
    """The bytes of a document as every file of ours has them: sorted keys, one line each, a newline at the end."""
    return (json.dumps(document, indent=1, sort_keys=True, default=str, allow_nan=False) + "\n").encode()
