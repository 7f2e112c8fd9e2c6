"""All or nothing, even for the process that is killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scalper.errors import Refused
from scalper.lake import Lake
from scalper.lake.transaction import STAGING, transaction
from tests.lake.support import digest

FILES = [Path("bars", f"date={i}", "part.parquet") for i in range(6)]


def _fill(root: Path, text: str, files: list[Path] = FILES) -> None:
    with transaction(root, "one") as into:
        for file in files:
            into.stage(file).write_text(text)
        into.commit()


def test_commit_publishes_all_and_leaves_no_staging(tmp_path: Path) -> None:
    _fill(tmp_path, "new")
    assert [(tmp_path / file).read_text() for file in FILES] == ["new"] * 6
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["lock"]


def test_without_commit_nothing_happens(tmp_path: Path) -> None:
    with transaction(tmp_path, "one") as into:
        into.stage(FILES[0]).write_text("new")
    assert not (tmp_path / "bars").exists()


@pytest.mark.parametrize("failing", range(6))
def test_a_rename_that_fails_puts_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    _fill(tmp_path, "old", FILES[::2])
    before = digest(tmp_path)
    real, calls = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == failing + 1:
            raise OSError("disk full")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="disk full"):
        _fill(tmp_path, "new")
    assert digest(tmp_path) == before
    monkeypatch.undo()
    _fill(tmp_path, "new")
    assert [(tmp_path / file).read_text() for file in FILES] == ["new"] * 6


KILLED = """
import os, sys
from pathlib import Path
from scalper.lake.transaction import transaction
root, last = Path(sys.argv[1]), int(sys.argv[2])
real, calls = os.replace, [0]
def replace(self, target):
    calls[0] += 1
    if calls[0] > last:
        os.kill(os.getpid(), 9)
    real(self, target)
    return target
with transaction(root, "one") as into:
    for i in range(6):
        into.stage(Path("bars", f"date={i}", "part.parquet")).write_text("new")
    Path.replace = replace
    into.commit()
"""


@pytest.mark.parametrize("last", [0, 3])
def test_a_kill_between_renames_is_undone_by_the_next_to_open_the_lake(tmp_path: Path, last: int) -> None:
    _fill(tmp_path, "old", FILES[::2])
    before = digest(tmp_path)
    repository = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(last)],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": "."},
        check=False,
    )
    assert killed.returncode == -9
    assert (tmp_path / STAGING / "one" / "journal.json").is_file()
    Lake(tmp_path)
    assert digest(tmp_path) == before
    assert not (tmp_path / FILES[1]).parent.exists()


def test_an_undo_that_was_itself_interrupted_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(tmp_path, "old", FILES[::2])
    before = digest(tmp_path)
    real, calls = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] in (5, 7):  # once in the commit, once in the undo
            raise OSError("disk full")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="disk full"):
        _fill(tmp_path, "new")
    assert digest(tmp_path) != before
    Lake(tmp_path)
    assert digest(tmp_path) == before


def test_two_imports_at_once_are_refused_and_a_reader_disturbs_none(tmp_path: Path) -> None:
    with transaction(tmp_path, "one") as into:
        into.stage(FILES[0]).write_text("new")
        Lake(tmp_path)
        with pytest.raises(Refused, match="another import or download"):
            _fill(tmp_path, "other")
        into.commit()
    assert (tmp_path / FILES[0]).read_text() == "new"
