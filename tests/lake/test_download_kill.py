"""A download that is killed again and again, while the vendor fails in every way, ends as one that nobody disturbed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.lake.killing import kill_and_compare


@pytest.mark.long
@pytest.mark.parametrize(("mode", "kills"), [("stream", 20), ("batch", 5)])
def test_a_killed_download_ends_as_an_undisturbed_one(tmp_path: Path, mode: str, kills: int) -> None:
    found = kill_and_compare(tmp_path, first=date(2026, 8, 10), last=date(2026, 9, 18), kills=kills, seed=1, mode=mode)
    assert found.kills == kills
    assert 3 in found.codes  # 401, 402 and 422 end a run
