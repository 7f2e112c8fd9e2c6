"""All or nothing, even for the process that is killed in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scalper.errors import BadInput, Refused
from scalper.lake import Lake
from scalper.lake.storage import STAGING, Storage
from scalper.lake.transaction import JOURNAL, transaction
from tests.lake.support import digest

NAMES = [f"bars/date={i}/part.parquet" for i in range(6)]


def _fill(lake: Lake, text: str, names: list[str] = NAMES) -> None:
    with transaction(lake, "one") as into:
        for name in names:
            into.stage(name).write_text(text)
        into.commit()


def _texts(lake: Lake) -> list[str]:
    return [lake.storage.read(name).decode() if lake.storage.exists(name) else "" for name in NAMES]


def test_commit_publishes_all_and_leaves_no_staging(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    _fill(lake, "new")
    assert _texts(lake) == ["new"] * 6
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["lock"]


def test_without_commit_or_with_an_error_nothing_happens(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with transaction(lake, "one") as into:
        into.stage(NAMES[0]).write_text("new")
        assert into.staged(NAMES[0]) is not None
        assert into.staged(NAMES[1]) is None
    with pytest.raises(ValueError, match="bad row"), transaction(lake, "one") as into:
        into.stage(NAMES[0]).write_text("new")
        raise ValueError("bad row")
    assert lake.storage.names() == []
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["lock"]


def test_a_file_that_was_staged_and_never_written_stops_the_commit(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"date=1/part.parquet was staged"), transaction(lake, "one") as into:
        into.stage(NAMES[0]).write_text("new")
        into.stage(NAMES[1])
        into.commit()
    assert lake.storage.names() == []


@pytest.mark.parametrize("failing", range(6))
def test_a_move_that_fails_is_done_by_the_next_to_open_the_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    lake = Lake(tmp_path)
    _fill(lake, "old", NAMES[::2])
    real, calls = Storage.move, [0]

    def move(self: Storage, source: str, target: str) -> None:
        calls[0] += 1
        if calls[0] == failing + 1:
            raise OSError("disk full")
        real(self, source, target)

    monkeypatch.setattr(Storage, "move", move)
    with pytest.raises(OSError, match="disk full"):
        _fill(lake, "new")
    assert _texts(lake)[:failing] == ["new"] * failing
    assert _texts(lake)[failing:] == ["old", "", "old", "", "old", ""][failing:]
    assert _texts(Lake(tmp_path)) == ["new"] * 6
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["lock"]


KILLED = """
import os, sys
from scalper.lake.storage import Storage
from scalper.lake.store import Lake
from scalper.lake.transaction import JOURNAL, transaction
root, last, calls = sys.argv[1], int(sys.argv[2]), [0]
write, move = Storage.write, Storage.move
def killing(real):
    def step(self, *given):
        calls[0] += 1
        if calls[0] > last:
            os.kill(os.getpid(), 9)
        return real(self, *given)
    return step
with transaction(Lake(root), "one") as into:
    for i in range(6):
        into.stage(f"bars/date={i}/part.parquet").write_text("new")
    Storage.write, Storage.move = killing(write), killing(move)
    into.commit()
"""


@pytest.mark.parametrize("last", [0, 1, 4])
def test_a_killed_process_leaves_the_lake_unchanged_or_complete(tmp_path: Path, last: int) -> None:
    _fill(Lake(tmp_path), "old", NAMES[::2])
    before = digest(tmp_path)
    repository = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(last)],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": "."},
        check=False,
    )
    assert killed.returncode == -9
    assert (tmp_path / STAGING / "one").is_dir()
    lake = Lake(tmp_path)
    if last == 0:  # before the journal
        assert digest(tmp_path) == before
    else:
        assert _texts(lake) == ["new"] * 6
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["lock"]


def test_two_writers_at_once_are_refused_and_a_reader_disturbs_none(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with transaction(lake, "one") as into:
        into.stage(NAMES[0]).write_text("new")
        other = Lake(tmp_path)
        with pytest.raises(Refused, match="another import or download"):
            _fill(other, "other")
        with pytest.raises(Refused, match="another import or download"), other.storage.lock():
            pass
        into.commit()
    assert lake.storage.read(NAMES[0]) == b"new"


@pytest.mark.parametrize(
    "journal",
    [
        "{torn",
        "\udc80",
        "[]",
        "3",
        '{"bars/a": "0"}',
        '{"bars/a": true}',
        *(
            json.dumps({NAMES[0]: 0, name: 1})
            for name in ("../out", "bars/../../out", "{out}", "", "bars//a", "./a", ".staging/one/1.new", "bars/a\0b")
        ),
    ],
)
def test_a_journal_that_is_torn_or_leaves_the_lake_is_refused(tmp_path: Path, journal: str) -> None:
    root, out = tmp_path / "lake", tmp_path / "out"
    Lake(root)
    staged = root / STAGING / "one"
    staged.mkdir(parents=True)
    for number in range(2):
        (staged / f"{number}.new").write_text("new")
    (staged / JOURNAL).write_bytes(journal.replace("{out}", str(out)).encode(errors="surrogateescape"))
    before = digest(tmp_path)
    with pytest.raises(BadInput, match=r"one/journal.json: torn, or its names leave the lake; .*delete its folder"):
        Lake(root)
    assert not out.exists()
    (root / STAGING / "lock").unlink()
    assert digest(tmp_path) == before
