"""Files that enter the lake together or not at all, even if the process is killed in the middle.

A transaction collects finished files in `<lake>/.staging/<name>`, `<number>.new` each. `commit` links what they will
replace as `<number>.old`, writes a journal of the targets, and renames file after file. What goes wrong before the
journal is removed is undone: at once by the transaction itself, or, after a kill, by the next one to open the lake.
One transaction at a time: a lock that dies with its process tells a live transaction from a dead one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from scalper.errors import Refused

STAGING = ".staging"


class Transaction:
    """Staged files of one import; made by `transaction`."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._targets: dict[Path, int] = {}

    def stage(self, target: Path) -> Path:
        """Where to write a file that is to become `<lake>/target`; it may be staged again, the last one counts."""
        return _new(self._folder, self._targets.setdefault(target, len(self._targets)))

    def staged(self, target: Path) -> Path | None:
        """The staged file of a target, if there is one."""
        return _new(self._folder, self._targets[target]) if target in self._targets else None

    def commit(self) -> None:
        """Rename every staged file into the lake, in the order in which they were first staged."""
        entries: list[tuple[str, bool]] = []
        for target, number in self._targets.items():
            current = self._root / target
            entries.append((target.as_posix(), current.is_file()))
            if current.is_file():
                os.link(current, _old(self._folder, number))
        journal = self._folder / "journal.json"
        draft = journal.with_suffix(".draft")
        draft.write_text(json.dumps(entries))
        draft.rename(journal)
        for target, number in self._targets.items():
            (self._root / target).parent.mkdir(parents=True, exist_ok=True)
            _new(self._folder, number).replace(self._root / target)
        journal.unlink()  # from here on the files are the lake's


@contextmanager
def transaction(root: Path, name: str) -> Generator[Transaction]:
    """Open a transaction on the lake at `root`; leaving without `commit`, or by an error, leaves the lake as it was.

    Raises Refused if another process is importing into this lake.
    """
    with _locked(root) as free:
        if not free:
            raise Refused(f"{root}: another import or download is writing to this lake; wait until it has ended")
        _undo_all(root)
        folder = root / STAGING / name
        folder.mkdir(parents=True)
        try:
            yield Transaction(root, folder)
        finally:
            _undo(root, folder)


def recover(root: Path) -> None:
    """Undo what a killed transaction left behind; does nothing while another one is alive."""
    if _leftovers(root):
        with _locked(root) as free:
            if free:
                _undo_all(root)


@contextmanager
def _locked(root: Path) -> Generator[bool]:
    staging = root / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    with (staging / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _undo_all(root: Path) -> None:
    for folder in _leftovers(root):
        _undo(root, folder)


def _leftovers(root: Path) -> list[Path]:
    return sorted(folder for folder in (root / STAGING).glob("*") if folder.is_dir())


def _undo(root: Path, folder: Path) -> None:
    """Put the lake back as the journal found it, then drop the staging folder; without a journal there is only that.

    May itself be interrupted and repeated: a file put back is no longer kept, a new file is removed once.
    """
    journal = folder / "journal.json"
    if journal.is_file():
        entries: list[tuple[str, bool]] = json.loads(journal.read_text())
        for number, (target, replaced) in enumerate(entries):
            kept, current = _old(folder, number), root / target
            if kept.is_file():
                kept.replace(current)
            elif not replaced and not _new(folder, number).is_file():
                current.unlink(missing_ok=True)
                _prune(current.parent, root)
        journal.unlink()
    shutil.rmtree(folder)


def _new(folder: Path, number: int) -> Path:
    return folder / f"{number}.new"


def _old(folder: Path, number: int) -> Path:
    return folder / f"{number}.old"


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that became empty, up to the lake's root."""
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
