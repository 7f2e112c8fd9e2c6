"""Batch jobs: paid once whatever happens between, files verified one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event

import pytest

from scalper import clock
from scalper.errors import BadInput, VendorBusy, VendorError
from scalper.lake import DownloadRequest, Lake, bar_keys, download
from scalper.lake.databento.batch import LONGEST_S, fetch_job
from scalper.lake.databento.download import estimate
from scalper.lake.databento.request import pieces
from scalper.lake.databento.vendor import ATTEMPTS, Vendor
from scalper.market import sessions
from scalper.sandbox import DatabentoServer, SimulatedMarket
from scalper.sandbox.faults import Faults
from tests.lake.gateway import Gateway, Trouble, gateway_before

HELD = tuple(sessions("MES", date(2026, 9, 1), date(2026, 9, 11)))  # two weeks of one contract
SUBMIT, FILE = "batch.submit_job", "batch.download"


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket("MES", 5, 1.0, start=date(2026, 9, 1), end=date(2026, 9, 25))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(clock, "sleep", waited.append)
    return waited


@pytest.fixture
def asked(market: SimulatedMarket) -> DownloadRequest:
    return DownloadRequest("MES", "ohlcv-1m", HELD, "monday", market.source, mode="batch")


@pytest.fixture
def gateway(market: SimulatedMarket) -> Iterator[Gateway]:
    with DatabentoServer(market) as server, gateway_before(server.url, server.key) as running:
        yield running


def bars(lake: Lake) -> dict[str, str]:
    """The digest of every session's bars."""
    return {name: lake.storage.digest(name) for name in lake.storage.names("bars")}


@pytest.fixture(scope="module")
def streamed(market: SimulatedMarket, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the same sessions are when they are streamed."""
    lake = Lake(tmp_path_factory.mktemp("streamed"))
    with DatabentoServer(market) as server:
        request = DownloadRequest("MES", "ohlcv-1m", HELD, "monday", market.source)
        download(lake, request, key=server.key, gateway=server.url)
    return bars(lake)


def test_a_job_brings_what_a_stream_brings(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, streamed: dict[str, str]
) -> None:
    lake = Lake(tmp_path)
    cost = estimate(lake, asked, key=gateway.key, gateway=gateway.url)
    report = download(lake, asked, key=gateway.key, gateway=gateway.url)
    assert bars(lake) == streamed
    assert (report.requests, gateway.count(SUBMIT), gateway.count("timeseries")) == (1, 1, 0)
    assert report.cost_usd == pytest.approx(cost.cost_usd)
    document = report.raws[0].document
    assert (document["mode"], document["records"]) == ("batch", cost.records)
    assert len(report.raws[0].files) == 2  # a file a week: none cuts a session
    assert [one.bars for one in report.imported] == [4 * 1380, 4 * 1380 + 1140]  # with Labor Day
    assert not list((tmp_path / "raw").rglob("*.job.json"))
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == ["download.lock"]
    assert download(lake, asked, key=None).requests == 0


def test_a_killed_run_finds_its_job_again(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, streamed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(clock, "sleep", killed)
        with pytest.raises(KeyboardInterrupt):  # while it waits for the job
            download(lake, asked, key=gateway.key, gateway=gateway.url)
    (record,) = (tmp_path / "raw").rglob("*.job.json")
    assert json.loads(record.read_text())["id"]
    longer = replace(asked, sessions=tuple(sessions("MES", date(2026, 9, 1), date(2026, 9, 14))), mode="stream")
    cost = estimate(lake, longer, key=gateway.key, gateway=gateway.url)
    report = download(lake, longer, key=gateway.key, gateway=gateway.url)  # one session more, and another mode
    assert gateway.count(SUBMIT) == 1
    assert streamed.items() <= bars(lake).items()
    assert report.cost_usd == pytest.approx(cost.cost_usd)
    assert cost.cost_usd < 0.2 * estimate(Lake(tmp_path / "new"), asked, key=gateway.key, gateway=gateway.url).cost_usd


def test_a_run_that_died_before_it_heard_the_id_finds_the_job(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, streamed: dict[str, str]
) -> None:
    lake = Lake(tmp_path)
    gateway.troubles = [Trouble(SUBMIT, "cut")]  # taken, and the answer is lost
    download(lake, asked, key=gateway.key, gateway=gateway.url)
    assert gateway.count(SUBMIT) == 1
    assert gateway.count("batch.list_jobs") == 1
    assert bars(lake) == streamed


def test_a_submission_that_was_not_taken_is_made_again(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, waits: list[float]
) -> None:
    gateway.troubles = [Trouble(SUBMIT, 429, {"Retry-After": "2"}), Trouble(SUBMIT, 504)]
    report = download(Lake(tmp_path), asked, key=gateway.key, gateway=gateway.url)
    assert gateway.count(SUBMIT) == 3
    assert report.missing == []


@pytest.mark.parametrize("status", [401, 402, 422])
def test_a_refused_job_leaves_nothing(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, status: int, waits: list[float]
) -> None:
    gateway.troubles = [Trouble(SUBMIT, status)]
    with pytest.raises(VendorError, match=rf"{status} trouble with \*\*\*"):
        download(Lake(tmp_path), asked, key=gateway.key, gateway=gateway.url)
    assert gateway.count(SUBMIT) == 1
    assert not list((tmp_path / "raw").rglob("*.job.json"))


@pytest.mark.parametrize("fault", ["wrong_byte", "truncated", "cut", "429", "504", "lost"])
def test_what_goes_wrong_on_the_way_is_mended(
    tmp_path: Path, market: SimulatedMarket, asked: DownloadRequest, streamed: dict[str, str], fault: str
) -> None:
    lake, faults = Lake(tmp_path), Faults([fault])
    with DatabentoServer(market, faults=faults) as server:
        download(lake, asked, key=server.key, gateway=server.url)
    assert faults.served[fault] == 1
    assert faults.requests[SUBMIT] == (1 if fault in ("wrong_byte", "truncated", "cut", "lost") else 2)
    assert bars(lake) == streamed


def test_a_job_that_expires_is_said_and_forgotten(
    tmp_path: Path, market: SimulatedMarket, asked: DownloadRequest, streamed: dict[str, str]
) -> None:
    lake = Lake(tmp_path)
    with DatabentoServer(market, faults=Faults(["failed"])) as server:
        with pytest.raises(
            VendorError, match=r"batch job .* of MESU6 expired before it was fetched; run it again to submit anew"
        ):
            download(lake, asked, key=server.key, gateway=server.url)
        download(lake, asked, key=server.key, gateway=server.url)
    assert bars(lake) == streamed


def test_a_job_that_takes_hours_goes_on_without_us(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalper.lake.databento.batch.LONGEST_S", 0.0)
    lake = Lake(tmp_path)
    with pytest.raises(VendorBusy, match=r"batch job .* of MESU6 is \w+ after .* s; run it again later"):
        for _ in range(9):
            download(lake, asked, key=gateway.key, gateway=gateway.url)
    monkeypatch.undo()
    monkeypatch.setattr(clock, "sleep", lambda _: None)
    assert download(lake, asked, key=gateway.key, gateway=gateway.url).missing == []
    assert gateway.count(SUBMIT) == 1


def test_an_interrupted_run_does_not_stay_for_its_jobs(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [Trouble("batch.get_job_details", "queued") for _ in range(10_000)]
    monkeypatch.setattr(clock, "sleep", lambda seconds: waits.append(seconds) or Event().wait(0.005))
    gateway.troubles, lake = list(looks), Lake(tmp_path)

    def interrupt(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # once the stream of status is there
        download(lake, replace(asked, status=True), key=gateway.key, gateway=gateway.url, progress=interrupt)
    assert sum(waits) < LONGEST_S / 2
    gateway.troubles = []
    assert download(lake, asked, key=gateway.key, gateway=gateway.url).missing == []
    assert gateway.count(SUBMIT) == 1


def test_a_job_of_which_nothing_was_heard_is_counted_as_paid(
    tmp_path: Path, gateway: Gateway, asked: DownloadRequest
) -> None:
    vendor, (piece,) = Vendor(gateway.key, gateway.url), pieces(asked, lambda _: True)
    quote = vendor.quote(**piece.query)
    for trouble, spent in ((Trouble(SUBMIT, 422), 0.0), (Trouble(SUBMIT, 504), quote.usd)):
        gateway.troubles = [trouble] * ATTEMPTS
        with pytest.raises(VendorError):
            fetch_job(Lake(tmp_path), asked.source, piece, quote, vendor, Event())
        assert vendor.purse.spent_usd == pytest.approx(spent)


def test_files_come_from_the_vendor_only(tmp_path: Path, gateway: Gateway, asked: DownloadRequest) -> None:
    gateway.behind, behind = gateway.behind, gateway.behind
    gateway.url, url = gateway.url.replace("127.0.0.1", "localhost"), gateway.url  # what it writes into the answers
    with pytest.raises(VendorError, match=r"would come from localhost:\d+, which is not Databento: not fetched"):
        download(Lake(tmp_path), asked, key=gateway.key, gateway=url)
    assert gateway.count(FILE) == 0
    assert behind


def test_a_changed_raw_file_of_a_job_is_noticed(tmp_path: Path, gateway: Gateway, asked: DownloadRequest) -> None:
    lake = Lake(tmp_path)
    report = download(lake, asked, key=gateway.key, gateway=gateway.url)
    path = tmp_path / report.raws[0].files[1]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    lake.delete("bars", bar_keys(asked.source, "MES", "1m", HELD[-1].date))
    with pytest.raises(BadInput, match=r"not as it was downloaded; delete it with its manifest"):
        download(lake, asked, key=None)


def test_a_lookup_that_is_refused_keeps_the_record(tmp_path: Path, gateway: Gateway, asked: DownloadRequest) -> None:
    lake = Lake(tmp_path)
    gateway.troubles = [Trouble(SUBMIT, "cut"), Trouble("batch.list_jobs", 403)]
    with pytest.raises(VendorError, match="403"):
        download(lake, asked, key=gateway.key, gateway=gateway.url)
    assert list((tmp_path / "raw").rglob("*.job.json"))
    report = download(lake, asked, key=gateway.key, gateway=gateway.url)
    assert (gateway.count(SUBMIT), report.missing, report.cost_usd) == (1, [], 0.0)
