"""What every storage must do: a folder and a bucket pass the same tests."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput, DataUnavailable, Refused, VendorBusy
from scalper.lake import Lake, bar_keys, import_files
from scalper.lake.bucket import claim
from scalper.lake.schema import COLUMNS
from scalper.lake.storage import CLAIMS, STAGING, Storage
from scalper.lake.transaction import recover, transaction
from tests.lake.places import BUCKET, SECRET, Killed, Mortal, Place
from tests.lake.support import CHICAGO, a_session, bar_file, morning, rows_of

NAMES = [f"bars/source={s}/date=2026-11-{d}/part.parquet" for s in ("a", "b c") for d in (17, 18)]
KEYS = bar_keys("import", "MES", "1m", date(2026, 11, 18))


def test_objects_are_written_read_moved_and_deleted(place: Place, tmp_path: Path) -> None:
    storage = place.storage()
    assert storage.names() == []
    storage.write("b/two.json", b"22")
    made = tmp_path / "made"
    made.write_bytes(b"")
    storage.put(made, "b/one.parquet")
    assert not made.exists()
    assert storage.listing() == [("b/one.parquet", 0), ("b/two.json", 2)]
    assert storage.names("b", ".json") == ["b/two.json"]
    assert storage.folders() == ["b"]
    storage.move("b/two.json", "b/one.parquet")
    assert storage.names() == ["b/one.parquet"]
    assert storage.read("b/one.parquet") == b"22"
    assert (storage.exists("b"), storage.exists("b/one.parquet"), storage.exists("b/two.json")) == (False, True, False)
    assert (storage.size("b/one.parquet"), storage.size("none")) == (2, 0)
    assert storage.written_ns("b/one.parquet") > 0
    assert storage.written_ns("none") == 0
    assert storage.digest("b/one.parquet") == hashlib.sha256(b"22").hexdigest()
    with storage.local("b/one.parquet") as path:
        assert path.read_bytes() == b"22"
    storage.delete("b/one.parquet")
    storage.delete("b/one.parquet")
    assert storage.names() == []


def test_what_is_not_there_is_said_to_be_not_there(place: Place) -> None:
    storage = place.storage()
    for act in (storage.read, storage.digest):
        with pytest.raises(FileNotFoundError):
            act("bars/none.parquet")


def test_the_programs_own_files_are_no_objects(place: Place) -> None:
    storage = place.storage()
    storage.write(".staging/one/journal.json", b"{}")
    storage.write("bars/.part.parquet.77", b"half")
    storage.write("bars/part.parquet", b"whole")
    assert storage.names() == ["bars/part.parquet"]
    assert storage.folders(STAGING) == [".staging/one"]
    storage.delete_folder(".staging/one")
    storage.delete_folder(".staging/one")
    assert storage.folders(STAGING) == []


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["write", "put", "move", "delete"]),
        st.integers(0, len(NAMES) - 1),
        st.integers(0, len(NAMES) - 1),
        st.binary(max_size=20),
    ),
    max_size=12,
)


def _act(storage: Storage, model: dict[str, bytes], act: str, name: str, other: str, data: bytes) -> None:
    """One operation on the storage and on a plain dictionary."""
    if act == "write":
        storage.write(name, data)
        model[name] = data
    elif act == "put":
        made = storage.scratch() / "made"
        made.write_bytes(data)
        storage.put(made, name)
        model[name] = data
    elif act == "move" and name in model and name != other:
        storage.move(name, other)
        model[other] = model.pop(name)
    elif act == "delete":
        storage.delete(name)
        model.pop(name, None)


def _like_a_dictionary(place: Place, operations: list[tuple[str, int, int, bytes]]) -> None:
    storage, model = place.storage(), dict[str, bytes]()
    for act, one, other, data in operations:
        _act(storage, model, act, NAMES[one], NAMES[other], data)
        if NAMES[one] in model:
            with storage.local(NAMES[one]) as path:
                assert path.read_bytes() == model[NAMES[one]]
    assert {name: storage.read(name) for name in storage.names()} == model


@settings(max_examples=100, deadline=None)
@given(operations=OPERATIONS)
def test_a_folder_is_like_a_dictionary(folder: Place, operations: list[tuple[str, int, int, bytes]]) -> None:
    _like_a_dictionary(folder, operations)


@settings(max_examples=15, deadline=None)
@given(operations=OPERATIONS)
def test_a_bucket_is_like_a_dictionary(bucket: Place, operations: list[tuple[str, int, int, bytes]]) -> None:
    _like_a_dictionary(bucket, operations)


COMMITS = {
    "before": st.sets(st.sampled_from(NAMES)),
    "staged": st.sets(st.sampled_from(NAMES), min_size=1),
    "deaths": st.lists(st.integers(0, 14), min_size=1, max_size=4),
}


def _commit(lake: Lake, staged: set[str]) -> None:
    with transaction(lake, "one") as into:
        for name in sorted(staged):
            into.stage(name).write_text(f"new {name}")
        into.commit()


def _killed_and_reopened(place: Place, before: set[str], staged: set[str], deaths: list[int]) -> None:
    """A commit that dies after so many changes; then recoveries that die too; then one that does not."""
    address = place.address()
    lake = Lake(address)
    for name in before:
        lake.storage.write(name, b"old")
    unchanged = dict.fromkeys(before, b"old")
    complete = unchanged | {name: f"new {name}".encode() for name in staged}
    lake.storage, done = Mortal(address), False
    lake.storage.left = deaths[0]
    with suppress(Killed):
        _commit(lake, staged)
        done = True
    for left in deaths[1:]:
        again = Mortal(address)
        again.left = left
        with suppress(Killed):
            recover(again)
    found = Lake(address).storage
    contents = {name: found.read(name) for name in found.names()}
    assert contents in ([complete] if done else [unchanged, complete])
    assert found.folders(STAGING) == []
    with found.lock():
        pass


@settings(max_examples=100, deadline=None)
@given(**COMMITS)
def test_a_killed_commit_to_a_folder_is_whole_or_nothing(
    folder: Place, before: set[str], staged: set[str], deaths: list[int]
) -> None:
    _killed_and_reopened(folder, before, staged, deaths)


@settings(max_examples=15, deadline=None)
@given(**COMMITS)
def test_a_killed_commit_to_a_bucket_is_whole_or_nothing(
    bucket: Place, before: set[str], staged: set[str], deaths: list[int]
) -> None:
    _killed_and_reopened(bucket, before, staged, deaths)


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(**COMMITS)
def test_a_killed_commit_to_a_bucket_many_times(
    bucket: Place, before: set[str], staged: set[str], deaths: list[int]
) -> None:
    _killed_and_reopened(bucket, before, staged, deaths)


def test_one_writer_at_a_time(place: Place) -> None:
    address = place.address()
    one, other = Storage(address), Storage(address)
    with one.lock():
        with pytest.raises(Refused, match="another import or download is writing"), other.lock():
            pass
        recover(other)  # a reader is not refused, and disturbs nothing
    with other.lock():
        pass


def test_a_bucket_is_kept_from_other_machines_until_their_claim_is_gone(bucket: Place) -> None:
    storage = bucket.storage()
    theirs = f"{CLAIMS}/{claim('elsewhere')}"
    storage.write(theirs, b"")
    with pytest.raises(Refused, match=rf"\(on elsewhere\).*delete the object {theirs}"), storage.lock():
        pass
    assert storage.exists(theirs)
    storage.delete(theirs)
    storage.write(f"{CLAIMS}/{claim()}", b"")  # of a process of this machine that was killed
    with storage.lock():
        pass
    assert storage.folders() == [CLAIMS]
    assert storage.listing(CLAIMS) == []


def test_a_mirror_follows_what_another_machine_writes(bucket: Place) -> None:
    address = bucket.address()
    writer, reader = Storage(address), bucket.other_machine(address)
    writer.write("bars/x", b"one")
    assert reader.digest("bars/x") == hashlib.sha256(b"one").hexdigest()
    writer.write("bars/x", b"three")
    assert reader.digest("bars/x") == hashlib.sha256(b"three").hexdigest()
    writer.delete("bars/x")
    with pytest.raises(FileNotFoundError):
        reader.digest("bars/x")


def test_a_lake_reads_the_same_from_either(place: Place) -> None:
    lake, frame = place.lake(), rows_of(a_session(), count=30)
    assert lake.dates("bars", {key: KEYS[key] for key in ("source", "symbol", "interval")}) == []
    name = lake.write("bars", KEYS, frame, {"note": "by hand"})
    assert name == lake.name("bars", KEYS)
    assert lake.exists("bars", KEYS)
    assert lake.read("bars", KEYS).equals(frame)
    assert lake.metadata("bars", KEYS)["note"] == "by hand"
    assert lake.dates("bars", {key: KEYS[key] for key in ("source", "symbol", "interval")}) == [date(2026, 11, 18)]
    scanned = lake.scan("bars", [KEYS]).collect()
    assert scanned.columns == [*COLUMNS, "date"]
    assert scanned.drop("date").equals(frame)
    assert scanned["date"].unique().to_list() == [date(2026, 11, 18)]
    lake.views()
    lake.delete("bars", KEYS)
    with pytest.raises(DataUnavailable, match="the lake has no bars for source import"):
        lake.read("bars", KEYS)


def test_an_import_into_a_bucket_is_that_into_a_folder(folder: Place, bucket: Place, tmp_path: Path) -> None:
    path = bar_file(tmp_path, morning())
    found: list[list[tuple[str, str]]] = []
    for place in (folder, bucket):
        lake = place.lake()
        import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO)
        assert import_files(lake, [path], symbol="ES", interval="5m", tz=CHICAGO).rows_kept == 0
        found.append([(name, lake.storage.digest(name)) for name in lake.storage.names("bars")])
    assert found[0] == found[1] != []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://", "write a folder, or s3://bucket/prefix"),
        ("gs://bucket/lake", "write a folder, or s3://bucket/prefix"),
        (f"s3://me:{SECRET}@bucket/lake", "credentials belong into AWS_ACCESS_KEY_ID"),
        (f"s3://bucket/lake?secret={SECRET}", "credentials belong into AWS_ACCESS_KEY_ID"),
        ("s3://bucket/lake?endpoint=nowhere", "the endpoint is no address"),
        (f"s3://bucket/lake?endpoint=http://me:{SECRET}@host", "the endpoint is no address"),
    ],
)
def test_a_bad_address_is_refused_without_telling_a_secret(bucket: Place, address: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        Storage(address)
    assert SECRET not in str(caught.value)


def test_a_bucket_that_cannot_be_reached_is_refused(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="s3://elsewhere/lake: there is no bucket elsewhere; make it"):
        Storage(f"s3://elsewhere/lake?endpoint={bucket.endpoint}")
    with pytest.raises(VendorBusy, match=r"s3://b/lake: the endpoint does not answer \(NETWORK_CONNECTION\)"):
        Storage("s3://b/lake?endpoint=http://127.0.0.1:1")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BadInput, match="variable AWS_SECRET_ACCESS_KEY is not set"):
        Storage(f"s3://{BUCKET}/lake?endpoint={bucket.endpoint}")


def test_no_file_of_a_bucket_lake_holds_its_credentials(bucket: Place, tmp_path: Path) -> None:
    lake = bucket.lake()
    import_files(lake, [bar_file(tmp_path, morning())], symbol="ES", interval="5m", tz=CHICAGO)
    lake.views()
    held = [lake.storage.read(name) for name in lake.storage.names()]
    held += [path.read_bytes() for path in bucket.folder.rglob("*") if path.is_file()]
    assert held
    assert not any(SECRET.encode() in data for data in held)
