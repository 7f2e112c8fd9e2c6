"""The journal: append-only, readable after any death, and it says when somebody touched it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.live import Journal, read_journal


def written(path: Path, n: int = 5) -> bytes:
    with Journal(path) as journal:
        for index in range(n):
            journal.write("decision", {"value": index / 7}, sync=index == 2)
    return path.read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "a.jsonl"
    written(path)
    found = read_journal(path)
    assert [one["n"] for one in found] == [0, 1, 2, 3, 4]
    assert [one["value"] for one in found] == [index / 7 for index in range(5)]


@given(cut=st.integers(0, 400))
def test_a_tear_anywhere_leaves_the_whole_lines(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    whole = written(path)
    torn = whole[: min(cut, len(whole))]
    path.write_bytes(torn)
    assert len(read_journal(path)) == torn.count(b"\n")


def test_lost_bytes_at_the_end_are_a_tear(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(written(path) + b"\0\0\0\n")
    assert len(read_journal(path)) == 5


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_missing_line_is_named(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "a.jsonl"
    lines = written(path).splitlines(keepends=True)
    del lines[lost]
    path.write_bytes(b"".join(lines))
    with pytest.raises(BadInput, match=f"line {lost + 1} has number {lost + 1}"):
        read_journal(path)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = written(path).splitlines(keepends=True)
    lines[1] = b"{oops\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(BadInput, match="line 2 is no JSON"):
        read_journal(path)


def test_a_run_never_writes_into_another_ones_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written(path)
    with pytest.raises(BadInput, match="exists already"):
        Journal(path)
