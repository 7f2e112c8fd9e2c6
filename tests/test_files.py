"""Small files: whole or not at all."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from scalper.files import as_json, write_bytes, write_json


@pytest.mark.parametrize("sync", [True, False])
def test_a_document_is_written_with_sorted_keys_and_replaced(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    write_json(path, {"b": 1, "a": date(2026, 11, 21)}, sync=sync)
    assert path.read_text() == '{\n "a": "2026-11-21",\n "b": 1\n}\n'
    write_json(path, [1.5], sync=sync)
    assert json.loads(path.read_bytes()) == [1.5]
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


def test_what_json_lacks_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert path.read_bytes() == as_json({"a": 1})


def test_a_write_that_fails_leaves_the_old_file_and_no_scrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
