"""The record of what was seen out of sample."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from scalper.errors import Refused
from scalper.learn.holdout import Opening, note_path, open_holdout

DAYS = [date(2025, 1, 1) + timedelta(days=i) for i in range(30)]


def opened(
    path: Path, days: list[date], recipe: str = "r" * 64, model: str = "m" * 64, data: str = "d" * 64
) -> Opening:
    return open_holdout(path, days, lane="tiny", recipe=recipe, data=data, model=model, now="2026-01-01T00:00:00Z")


def test_it_is_opened_once_and_answered_from_the_record(tmp_path: Path) -> None:
    path = tmp_path / "ES.jsonl"
    assert opened(path, DAYS[20:]).first_opening
    again = opened(path, DAYS[20:])
    assert (again.first_opening, again.refused) == (False, None)


@pytest.mark.parametrize("other", [{"recipe": "x" * 64}, {"model": "x" * 64}, {"data": "x" * 64}])
def test_another_recipe_model_or_data_is_refused(tmp_path: Path, other: dict[str, str]) -> None:
    path = tmp_path / "ES.jsonl"
    opened(path, DAYS[20:])
    assert "were opened on" in (opened(path, DAYS[25:], **other).refused or "")
    assert opened(path, DAYS[:20], **other).refused is None  # of sessions that nobody has seen


def test_a_path_spends_its_sessions(tmp_path: Path) -> None:
    path = tmp_path / "ES.jsonl"
    note_path(path, DAYS[10:25], lane="tiny", recipe="r" * 64)
    note_path(path, DAYS[10:25], lane="tiny", recipe="r" * 64)
    assert "walked over" in (opened(path, DAYS[20:]).refused or "")
    assert opened(path, DAYS[25:]).refused is None
    assert len(path.read_text().splitlines()) == 2


def test_of_many_at_once_one_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "ES.jsonl"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: opened(path, DAYS[20:], recipe=f"{i:064d}"), range(16)))
    assert sum(one.refused is None for one in found) == 1


def test_a_torn_line_is_mended_and_an_edited_one_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ES.jsonl"
    opened(path, DAYS[20:])
    with path.open("a") as file:
        file.write('{"n":1,"bef')
    assert opened(path, DAYS[:5]).refused is None
    assert opened(path, DAYS[20:], recipe="x" * 64).refused is not None
    path.write_text(path.read_text().replace("2025-01-21", "2025-01-29"))
    with pytest.raises(Refused):
        opened(path, DAYS[20:], recipe="x" * 64)
