"""The ledger: appended only, and it shows what was done to it."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput, Refused
from scalper.learn import ledger

ROWS = [
    {"fold": fold, "number": number, "value": None if number == 1 else number / 3}
    for fold in (1, 2)
    for number in range(4)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "trials.jsonl"


def test_what_goes_in_comes_out(path: Path) -> None:
    assert ledger.read(path) == []
    assert ledger.verify(path) == ledger.State(0, ledger.START, 0, None)
    assert ledger.append(path, ROWS[:3]) == 3
    assert ledger.append(path, ROWS[3:]) == 5
    assert ledger.append(path, []) == 0
    assert ledger.read(path) == ROWS
    state = ledger.verify(path)
    assert (state.records, state.torn, state.problem) == (8, 0, None)
    assert ledger.verify(path, head=state.head).problem is None


def test_the_same_record_is_recorded_once(path: Path) -> None:
    ledger.append(path, ROWS)
    before = path.read_bytes()
    assert ledger.append(path, [*ROWS, dict(reversed(ROWS[0].items()))]) == 0
    assert path.read_bytes() == before
    assert ledger.append(path, [{"new": 1}, {"new": 1}]) == 1


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_found(path: Path, data: st.DataObject) -> None:
    if not path.exists():
        ledger.append(path, ROWS)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    wrong = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    path.write_bytes(whole[:at] + bytes([wrong]) + whole[at + 1 :])
    assert ledger.verify(path).problem
    path.write_bytes(whole)
    assert ledger.verify(path).problem is None


@pytest.mark.parametrize("gone", range(8))
def test_a_removed_line_is_found_the_last_one_too(path: Path, gone: int) -> None:
    ledger.append(path, ROWS)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
    problem = ledger.verify(path).problem
    assert problem
    assert str(path) in problem
    for use in (ledger.read, lambda where: ledger.append(where, [{"n": 1}])):
        with pytest.raises(Refused, match="restore"):
            use(path)


def test_exchanged_and_repeated_lines_are_found(path: Path) -> None:
    ledger.append(path, ROWS)
    lines = path.read_bytes().splitlines(keepends=True)
    for wrong in (lines[1::-1] + lines[2:], [*lines, lines[-1]]):
        path.write_bytes(b"".join(wrong))
        assert ledger.verify(path).problem


def test_a_ledger_begun_anew_lacks_the_head_that_a_bundle_remembers(path: Path) -> None:
    ledger.append(path, ROWS)
    head = ledger.verify(path).head
    for file in path.parent.iterdir():
        file.unlink()
    ledger.append(path, ROWS[1:])
    assert ledger.verify(path).problem is None
    assert "rewritten" in str(ledger.verify(path, head=head).problem)


def test_a_line_cut_off_by_a_killed_writer(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.append(path, ROWS[:5])
    sound = path.read_bytes()
    note = path.with_name(path.name + ".head").read_bytes()
    ledger.append(path, ROWS[5:])
    whole = path.read_bytes()
    for cut in range(len(sound) + 1, len(whole), 37):
        path.write_bytes(whole[:cut])
        path.with_name(path.name + ".head").write_bytes(note)  # it is written after the lines
        state = ledger.verify(path)
        kept = whole[:cut].count(b"\n")
        assert state.problem is None
        assert state.records == kept
        assert ledger.read(path) == ROWS[:kept]
        assert state.torn == 0 or "cut off" in capsys.readouterr().err
        ledger.append(path, ROWS[5:])
        assert path.read_bytes() == whole
        assert ledger.verify(path).problem is None


def test_a_torn_line_is_removed_even_with_nothing_to_add(path: Path) -> None:
    ledger.append(path, ROWS)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"n":9,"befo')
    assert ledger.append(path, ROWS) == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("record", [{"value": float("nan")}, {"value": {1, 2}}])
def test_what_is_no_json_is_refused_before_anything_is_written(path: Path, record: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="no JSON"):
        ledger.append(path, [ROWS[0], record])
    assert not path.exists()


def write(path: Path, fold: int) -> None:
    for number in range(20):
        ledger.append(path, [{"fold": fold, "number": number}])


def test_two_processes_write_one_chain(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write, args=(path, fold)) for fold in (1, 2)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert ledger.verify(path).problem is None
    assert {json.dumps(row) for row in ledger.read(path)} == {
        json.dumps({"fold": fold, "number": number}) for fold in (1, 2) for number in range(20)
    }


@pytest.mark.parametrize(
    "note", [b"", b"\xff\xfe", b"8", "\u00b2 ".encode() + b"0" * 64 + b"\n", b"9" * 5000 + b" " + b"0" * 64 + b"\n"]
)
def test_a_damaged_note_of_the_head_is_a_problem_and_no_crash(path: Path, note: bytes) -> None:
    ledger.append(path, ROWS)
    path.with_name(path.name + ".head").write_bytes(note)
    assert "not what was written there" in (ledger.verify(path).problem or "")
    with pytest.raises(Refused, match="not what was written there"):
        ledger.append(path, [{"new": 1}])
