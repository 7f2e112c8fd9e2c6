"""The ledger: appended only, and it shows what was done to it."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalper import clock
from scalper.errors import BadInput, Refused, ScalperError
from scalper.learn import ledger

ROWS = [
    {"fold": fold, "number": number, "value": None if number == 1 else number / 3}
    for fold in (1, 2)
    for number in range(4)
]

TICK = 0.011
"""Seconds after which the file system's clock has moved on."""


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


def cases(lines: list[bytes]) -> st.SearchStrategy[bytes]:
    """A ledger's bytes with one thing done: a byte changed, a line dropped, repeated or exchanged, an end cut."""
    whole = b"".join(lines)
    place = st.integers(0, len(lines) - 1)
    byte = st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)).map(
        lambda at: whole[: at[0]] + bytes([whole[at[0]] ^ at[1]]) + whole[at[0] + 1 :]
    )
    dropped = place.map(lambda i: b"".join(lines[:i] + lines[i + 1 :]))
    repeated = st.tuples(place, place).map(lambda at: b"".join([*lines[: at[0]], lines[at[1]], *lines[at[0] :]]))
    swapped = st.permutations(range(len(lines))).map(lambda order: b"".join(lines[i] for i in order))
    cut = st.integers(1, len(whole)).map(lambda count: whole[:-count])
    return st.one_of(byte, dropped, repeated, swapped, cut).filter(lambda found: found != whole)


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_done_to_it_is_found_by_verify_read_and_append(path: Path, data: st.DataObject) -> None:
    ledger.append(path, ROWS)  # after an example this verifies the file anew and leaves its stamp
    whole = path.read_bytes()
    clock.sleep(TICK)
    path.write_bytes(data.draw(cases(whole.splitlines(keepends=True))))
    try:
        assert ledger.verify(path).problem
        for use in (ledger.read, lambda where: ledger.append(where, [{"n": 1}])):
            with pytest.raises(Refused, match="restore"):
                use(path)
    finally:
        path.write_bytes(whole)
    assert ledger.verify(path).problem is None


def test_an_edit_between_the_appends_of_others_is_found_by_append(path: Path) -> None:
    ledger.append(path, ROWS[:4])
    aside(lambda: ledger.append(path, ROWS[4:6]))
    clock.sleep(TICK)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"fold":1', b'"fold":2', 1))
    assert aside(lambda: ledger.append(path, ROWS[6:])) == "Refused"  # it remembers four lines, which are an older end
    with pytest.raises(Refused, match="line 1 is not what was written"):
        ledger.append(path, ROWS[6:])
    path.write_bytes(whole)
    assert ledger.append(path, ROWS) == 2


def test_another_end_is_found_though_the_files_stamp_is_the_writers_own(path: Path) -> None:
    ledger.append(path, ROWS)
    path.write_bytes(path.read_bytes().replace(b'"number":3', b'"number":4'))
    found, lock = path.stat(), path.with_name(path.name + ".lock")
    stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    lock.write_text(" ".join(map(str, stamp)).ljust(len(lock.read_bytes())))
    with pytest.raises(Refused, match="line 4 is not what was written"):
        ledger.append(path, ROWS)


def test_an_append_walks_only_what_is_new(path: Path) -> None:
    ledger.append(path, [{"number": number, "daily": "x" * 2000} for number in range(4000)])
    started = clock.monotonic()
    for _ in range(10):
        ledger.verify(path)
    walked = clock.monotonic() - started
    started = clock.monotonic()
    for number in range(10):
        assert ledger.append(path, [{"new": number}]) == 1
        assert ledger.append(path, [{"new": number}]) == 0
    assert clock.monotonic() - started < walked / 2
    aside(lambda: ledger.append(path, [{"theirs": 1}]))
    assert ledger.append(path, [{"theirs": 1}, {"new": 9}, {"number": 7, "daily": "x" * 2000}]) == 0
    assert ledger.verify(path).records == 4011


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


def aside(work: Callable[[], object]) -> str:
    """Do something in another process, which remembers what this one does; returns what it raised."""
    context = multiprocessing.get_context("fork")
    told, tell = context.Pipe(duplex=False)

    def run() -> None:
        try:
            work()
        except ScalperError as error:
            tell.send(type(error).__name__)
        else:
            tell.send("")

    child = context.Process(target=run)
    child.start()
    found = told.recv()
    child.join()
    return str(found)


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


def keep_writing(path: Path, done: Connection) -> None:
    for number in range(10_000):
        ledger.append(path, [{"number": number, "daily": "x" * 5000}])
        done.send(number)


def test_a_writer_that_is_killed_loses_nothing_it_had_written(path: Path) -> None:
    context, moment = multiprocessing.get_context("fork"), random.Random(5)
    for _ in range(8):
        told, tell = context.Pipe(duplex=False)
        writer = context.Process(target=keep_writing, args=(path, tell))
        writer.start()
        tell.close()
        assert told.recv() >= 0
        clock.sleep(moment.uniform(0.0, 0.03))
        writer.kill()
        writer.join()
        last = 0
        try:
            while True:
                last = told.recv()
        except (EOFError, ConnectionResetError):
            pass
        assert ledger.verify(path).problem is None
        assert {row["number"] for row in ledger.read(path)} >= set(range(last + 1))
    ledger.append(path, [{"number": -1}])
    state = ledger.verify(path)
    assert (state.torn, state.problem) == (0, None)
    numbers = [row["number"] for row in ledger.read(path)]
    assert len(numbers) == len(set(numbers)) == state.records
