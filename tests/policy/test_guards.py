"""Every guard of the policy and of the simulated broker is missed by a test when it is taken away."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from scalper.policy import Gate
from tests.policy.guards import GUARDS

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_snippet_stands_exactly_once() -> None:
    text = {one.file: (REPOSITORY / one.file).read_text() for one in GUARDS}
    lost = [one.name for one in GUARDS if text[one.file].count(one.snippet) != 1]
    assert not lost, "adapt these in tests/policy/guards.py"
    assert all(one.broken != one.snippet for one in GUARDS)


def test_every_guard_has_a_name_of_its_own() -> None:
    assert not [name for name, times in Counter(one.name for one in GUARDS).items() if times > 1]


def test_every_gate_has_a_guard() -> None:
    assert {one.gate for one in GUARDS} - {""} == {gate.name for gate in Gate} - {"PASSED"}


def test_the_page_lists_every_guard() -> None:
    page = (REPOSITORY / "docs" / "guards.md").read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ") and "`" in line]
    assert rows == [one.name for one in GUARDS], "run python -m tests.policy.breaking"


@pytest.mark.long
def test_no_guard_can_be_taken_away_unnoticed(tmp_path: Path) -> None:
    """Minutes: each guard is removed in a copy of the sources and the hand-made days are played there."""
    words = [sys.executable, "-m", "tests.policy.breaking", "--page", str(tmp_path / "guards.md")]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "guards.md").read_text().count("| `tests/") == len(GUARDS)
