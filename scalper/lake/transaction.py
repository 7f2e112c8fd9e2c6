"""Files that enter the lake together or not at all, even if the process is killed in the middle.

A transaction collects finished files in `.staging/<identity>`, `<number>.new` each. `commit` writes a journal that says
which name each of them is to have: from then on they are the lake's. Then they are moved, file after file, and the
journal goes. A kill before the journal leaves the lake as it was, and the next one to open it throws the files away; a
kill after it leaves moves to be done, and the next one does them. A lock tells a dead transaction from a live one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from scalper.errors import BadInput, Refused
from scalper.lake.storage import STAGING, Storage

if TYPE_CHECKING:
    from scalper.lake.store import Lake

JOURNAL = "journal.json"


class Transaction:
    """Staged files of one import; made by `transaction`."""

    def __init__(self, storage: Storage, identity: str, making: Path) -> None:
        self._storage = storage
        self._folder = f"{STAGING}/{identity}"
        self._making = making
        self._targets: dict[str, int] = {}

    def stage(self, name: str) -> Path:
        """The local file to write that is to become the lake's `name`; staged again, the last one counts."""
        return self._new(self._targets.setdefault(name, len(self._targets)))

    def staged(self, name: str) -> Path | None:
        """The staged file of a name, if there is one."""
        return self._new(self._targets[name]) if name in self._targets else None

    def commit(self) -> None:
        """Make every staged file the lake's, in the order in which they were first staged."""
        for name, number in self._targets.items():
            if not self._new(number).is_file():
                raise FileNotFoundError(f"{name} was staged and never written")
        if not self._storage.is_local:
            self._storage.each(self._upload, self._targets.values())
        self._storage.write(f"{self._folder}/{JOURNAL}", json.dumps(self._targets).encode())  # the commit point
        _redo(self._storage, self._folder)

    def _upload(self, number: int) -> None:
        self._storage.put(self._new(number), f"{self._folder}/{number}.new")

    def _new(self, number: int) -> Path:
        return self._making / f"{number}.new"


@contextmanager
def transaction(lake: Lake, identity: str) -> Generator[Transaction]:
    """Open a transaction on the lake; leaving without `commit`, or by an error before it, leaves the lake as it was.

    Raises Refused if another process is writing to this lake.
    """
    storage = lake.storage
    with storage.lock():
        _recover(storage)
        making = storage.root / STAGING / identity if storage.is_local else storage.scratch() / identity
        if making.exists():
            shutil.rmtree(making)
        making.mkdir(parents=True)
        try:
            yield Transaction(storage, identity, making)
        finally:
            if not storage.exists(f"{STAGING}/{identity}/{JOURNAL}"):
                storage.delete_folder(f"{STAGING}/{identity}")


def recover(storage: Storage) -> None:
    """Finish or throw away what a killed transaction left behind; does nothing while another one is alive."""
    if storage.folders(STAGING):
        try:
            with storage.lock():
                _recover(storage)
        except Refused:
            return  # somebody is writing: what is staged is theirs


def _recover(storage: Storage) -> None:
    for folder in storage.folders(STAGING):
        if storage.exists(f"{folder}/{JOURNAL}"):
            _redo(storage, folder)
        else:
            storage.delete_folder(folder)


def _redo(storage: Storage, folder: str) -> None:
    """Do the moves of a journal that are not done yet, then drop it; may be interrupted and repeated at any point.

    Raises BadInput, before anything is moved, for a journal that this program did not write.
    """
    targets = _targets(storage, f"{folder}/{JOURNAL}")

    def place(target: tuple[str, int]) -> None:
        staged = f"{folder}/{target[1]}.new"
        if storage.exists(staged):
            storage.move(staged, target[0])

    storage.each(place, targets.items())
    storage.delete_folder(folder)


def _targets(storage: Storage, journal: str) -> dict[str, int]:
    """What a journal says: names in the lake, each with the number of its staged file."""
    try:
        found: object = json.loads(storage.read(journal))
    except ValueError:
        found = None
    if isinstance(found, dict):
        targets = cast(dict[str, object], found)
        if all(_inside(name) and type(number) is int for name, number in targets.items()):
            return cast(dict[str, int], targets)
    raise BadInput(
        f"{storage.uri(journal)}: torn, or its names leave the lake; nothing was moved: delete its folder and repeat "
        "the import or download that was broken off"
    )


def _inside(name: str) -> bool:
    """Whether it is an object's name in the lake, none of the program's own."""
    return "\0" not in name and all(part and not part.startswith(".") for part in name.split("/"))
