"""Batch jobs, from submission to files, by the databento client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pytest
import requests
from databento import BentoClientError, BentoServerError
from databento.common.error import BentoWarning
from databento.historical.api.batch import BatchHttpAPI
from databento.historical.api.metadata import MetadataHttpAPI
from databento.historical.api.timeseries import TimeseriesHttpAPI

from scalper.sandbox import SimulatedMarket
from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.faults import FILE, Faults

ROLL: dict[str, Any] = {
    "dataset": "GLBX.MDP3",
    "start": "2025-03-14",
    "end": "2025-03-19",
    "symbols": "MES.v.0",
    "stype_in": "continuous",
    "schema": "ohlcv-1m",
}
BESIDE = ["condition.json", "metadata.json", "symbology.json", "manifest.json"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@contextmanager
def serving(market: SimulatedMarket, *names: str, **options: Any) -> Iterator[tuple[DatabentoServer, BatchHttpAPI]]:
    with DatabentoServer(market, faults=Faults(names, **options)) as server:
        yield server, BatchHttpAPI(server.key, server.url)


def done(api: BatchHttpAPI, **change: Any) -> str:
    """A job that is done."""
    job: str = api.submit_job(**{**ROLL, **change})["id"]
    for _ in range(3):
        api.get_job_details(job)
    return job


def test_a_job_goes_from_state_to_state(roll_market: SimulatedMarket) -> None:
    with serving(roll_market) as (server, api):
        job = api.submit_job(**ROLL)
        assert job["state"] == "received"
        with pytest.raises(BentoClientError, match="received"):
            api.list_files(job["id"])
        states = [api.get_job_details(job["id"])["state"] for _ in range(4)]
        assert states == ["queued", "processing", "done", "done"]
        told = api.get_job_details(job["id"])
        count = MetadataHttpAPI(server.key, server.url).get_record_count(**ROLL)
        assert (told["record_count"], told["billed_size"]) == (count, 56 * count)
        assert (told["symbols"], told["start"], told["end"]) == (
            "MES.v.0",
            "2025-03-14T00:00:00.000000000Z",
            "2025-03-19T00:00:00.000000000Z",
        )


def test_jobs_are_listed(roll_market: SimulatedMarket) -> None:
    with serving(roll_market) as (_, api):
        first, second = api.submit_job(**ROLL)["id"], api.submit_job(**ROLL, limit=5)["id"]
        assert first != second
        lines = api.list_jobs(states=None)
        assert [(line["id"], set(line)) for line in lines] == [
            (job, {"id", "state", "ts_received"}) for job in (first, second)
        ]
        assert [line["schema"] for line in api.list_jobs(states=None, short=False)] == ["ohlcv-1m"] * 2
        assert api.list_jobs(states=None, since="2100-01-01") == []
        assert [line["state"] for line in api.list_jobs(states="done")] == ["done", "done"]
        assert api.list_jobs(states="expired") == []
        assert len(api.list_files(second)) == 1 + len(BESIDE)  # five records lie within one day


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("none", ["20250314-20250318"]),
        ("day", ["20250314", "20250316", "20250317", "20250318"]),  # nothing on Saturday
        ("week", ["20250314-20250315", "20250316-20250318"]),
        ("month", ["20250314-20250318"]),
    ],
)
def test_files_hold_what_the_stream_holds(
    roll_market: SimulatedMarket, tmp_path: Path, split: str, names: list[str]
) -> None:
    with serving(roll_market) as (server, api):
        whole = TimeseriesHttpAPI(server.key, server.url).get_range(**ROLL).to_ndarray()
        job = done(api, split_duration=split)
        lines = api.list_files(job)
        paths = {path.name: path for path in api.download(job, tmp_path)}
    assert [line["filename"] for line in lines] == [f"glbx-mdp3-{n}.ohlcv-1m.dbn.zst" for n in names] + BESIDE
    assert set(paths) == {line["filename"] for line in lines}
    for line in lines:
        body = paths[line["filename"]].read_bytes()
        assert (len(body), f"sha256:{hashlib.sha256(body).hexdigest()}") == (line["size"], line["hash"])
    parts = [databento.DBNStore.from_file(paths[line["filename"]]) for line in lines if ".dbn" in line["filename"]]
    np.testing.assert_array_equal(np.concatenate([part.to_ndarray() for part in parts]), whole)
    assert all(set(part.to_df()["symbol"]) == {"MES.v.0"} for part in parts)  # each file explains its ids
    beside = {name: json.loads(paths[name].read_text()) for name in BESIDE}
    assert [line["date"] for line in beside["condition.json"]] == [
        "2025-03-14",
        *(f"2025-03-{d}" for d in (16, 17, 18)),
    ]
    assert len(beside["symbology.json"]["result"]["MES.v.0"]) == 2
    assert beside["metadata.json"]["query"]["schema"] == "ohlcv-1m"
    assert [line["filename"] for line in beside["manifest.json"]["files"]] == [line["filename"] for line in lines[:-1]]


def test_a_limit_counts_over_all_files(roll_market: SimulatedMarket, tmp_path: Path) -> None:
    with serving(roll_market) as (_, api):
        job = done(api, limit=1500)
        assert api.get_job_details(job)["record_count"] == 1500
        paths = [path for path in api.download(job, tmp_path) if path.suffix == ".zst"]
    assert sum(len(databento.DBNStore.from_file(path).to_ndarray()) for path in paths) == 1500


def test_a_plain_file_of_trades(roll_market: SimulatedMarket, tmp_path: Path) -> None:
    with serving(roll_market) as (_, api):
        job = done(api, schema="trades", compression="none", split_duration="none", end="2025-03-15")
        name = api.list_files(job)[0]["filename"]
        (path,) = api.download(job, tmp_path, filename_to_download=name)
    assert path.read_bytes()[:3] == b"DBN"
    assert len(databento.DBNStore.from_file(path).to_ndarray()) > 1000


def test_a_file_in_ranges(roll_market: SimulatedMarket, tmp_path: Path) -> None:
    """The client goes on where an earlier attempt broke off."""
    with serving(roll_market) as (server, api):
        job = done(api, split_duration="none")
        line = api.list_files(job)[0]
        whole = requests.get(line["urls"]["https"], auth=(server.key, ""), timeout=10).content
        part = tmp_path / job / line["filename"]
        part.parent.mkdir()
        part.write_bytes(whole[:1000])
        api.download(job, tmp_path, filename_to_download=line["filename"])
        assert part.read_bytes() == whole
        span = {"Range": f"bytes=5-{line['size'] - 1}"}
        again = requests.get(line["urls"]["https"], auth=(server.key, ""), headers=span, timeout=10)
        assert (again.status_code, again.content) == (206, whole[5:])
        assert requests.get(line["urls"]["https"], auth=("db-wrong", ""), timeout=10).status_code == 401
        assert server.requests[FILE] == 4


def test_files_that_come_wrong(roll_market: SimulatedMarket, tmp_path: Path) -> None:
    with serving(roll_market, "wrong_byte", "truncated", "cut") as (server, api):
        job = done(api, split_duration="none")
        line = api.list_files(job)[0]

        def body() -> bytes:
            return requests.get(line["urls"]["https"], auth=(server.key, ""), timeout=10).content

        spoiled, half = body(), body()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            body()
        whole = body()
    assert f"sha256:{hashlib.sha256(whole).hexdigest()}" == line["hash"]
    assert (len(spoiled), len(half)) == (len(whole), len(whole) // 2)
    assert sum(a != b for a, b in zip(spoiled, whole, strict=True)) == 1
    assert whole.startswith(half)


def test_the_client_mends_what_it_can(roll_market: SimulatedMarket, tmp_path: Path) -> None:
    with serving(roll_market) as (server, api):
        job = done(api, split_duration="none")
        server.faults = Faults(["429", "cut", "wrong_byte"], retry_after_s=0)
        name = api.list_files(job)[0]["filename"]
        with pytest.warns(BentoWarning, match="checksum"):  # of the rest, which came with a wrong byte
            api.download(job, tmp_path, filename_to_download=name)
        assert server.faults.served == {"429": 1, "cut": 1, "wrong_byte": 1}


def test_jobs_that_fail_are_lost_or_expire(roll_market: SimulatedMarket) -> None:
    with serving(roll_market, "failed", "lost", "402") as (server, api):
        failing = api.submit_job(**ROLL)["id"]
        assert api.get_job_details(failing)["state"] == "expired"
        with pytest.raises(BentoClientError, match="expired"):
            api.list_files(failing)
        with pytest.raises(BentoServerError):
            api.submit_job(**ROLL)
        (unheard,) = api.list_jobs(states=None)
        assert unheard["id"] != failing
        with pytest.raises(BentoClientError) as caught:
            api.submit_job(**ROLL)
        assert caught.value.http_status == 402
        good = done(api)
        server.jobs.expire(good)
        assert api.get_job_details(good)["state"] == "expired"
        assert [line["id"] for line in api.list_jobs(states="expired")] == [failing, good]


@pytest.mark.parametrize("change", [{"encoding": "csv"}, {"split_duration": "year"}, {"symbols": "XYZ.v.0"}])
def test_jobs_that_the_sandbox_cannot_make(roll_market: SimulatedMarket, change: dict[str, str]) -> None:
    with serving(roll_market) as (_, api):
        with pytest.raises(BentoClientError) as caught:
            api.submit_job(**{**ROLL, **change})
        assert caught.value.http_status == 422
        with pytest.raises(BentoClientError) as caught:
            api.get_job_details("GLBX-20250101-NONE")
        assert caught.value.http_status == 404
