"""What a download does when the vendor refuses, breaks off, warns, or would cost too much; and where the key goes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from aiohttp import web
from pydantic import SecretStr

from scalper.errors import BadInput, Refused, VendorBusy, VendorError
from scalper.lake import DownloadRequest, Lake, download
from scalper.lake.databento.download import estimate
from scalper.lake.databento.raw import alone
from scalper.sandbox import DatabentoServer, SimulatedMarket
from scalper.sandbox.faults import Faults
from scalper.sandbox.loopback import Loopback
from tests.lake.gateway import DATA, HELD, KEY, Gateway, Trouble


def test_above_the_cap_nothing_is_downloaded(tmp_path: Path, gateway: Gateway, request_: DownloadRequest) -> None:
    with pytest.raises(VendorError, match=r"\$0.01; the cap is \$0.00; nothing was downloaded: shorten the dates"):
        download(Lake(tmp_path), request_, key=KEY, gateway=gateway.url, cap_usd=0.001)
    assert gateway.count(DATA) == 0
    assert Lake(tmp_path).storage.names() == ["raw/sandbox-5-1/GLBX.MDP3/condition.json"]


def test_a_stream_that_broke_counts_against_the_cap(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float]
) -> None:
    asked = replace(request_, sessions=HELD[:2])
    usd = estimate(Lake(tmp_path), asked, key=KEY, gateway=gateway.url).cost_usd
    gateway.troubles = [Trouble(DATA, "half")]
    with pytest.raises(VendorError, match=r"would cost .* more than the .* spent, the cap is"):
        download(Lake(tmp_path), asked, key=KEY, gateway=gateway.url, cap_usd=1.5 * usd)
    assert gateway.count(DATA) == 1
    gateway.troubles = [Trouble(DATA, "half")]
    report = download(Lake(tmp_path), asked, key=KEY, gateway=gateway.url, cap_usd=2 * usd)
    assert report.cost_usd == pytest.approx(2 * usd)


@pytest.mark.parametrize("key", [None, "", SecretStr(""), "YOUR_API_KEY"])
def test_without_a_key_it_says_which_variable(
    tmp_path: Path, request_: DownloadRequest, key: SecretStr | str | None
) -> None:
    with pytest.raises(BadInput, match=r"set DATABENTO_API_KEY in the environment or in .env"):
        download(Lake(tmp_path), request_, key=key)


def test_a_wrong_key_is_refused_once_and_never_shown(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float]
) -> None:
    with pytest.raises(VendorError, match=r"401 .*check DATABENTO_API_KEY") as refused:
        download(Lake(tmp_path), request_, key="db-wrong", gateway=gateway.url)
    assert "db-wrong" not in str(refused.value)
    assert (waits, len(gateway.asked)) == ([], 1)


def test_it_waits_as_it_is_told_and_goes_on(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float]
) -> None:
    gateway.troubles = [Trouble(DATA, 429, {"Retry-After": "7"}), Trouble(DATA, 503), Trouble(DATA, 504)]
    report = download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=KEY, gateway=gateway.url)
    assert (report.as_dict()["sessions"], report.retries) == (2, 3)
    assert waits[0] == 7
    assert gateway.count(DATA) == 4
    assert report.raws[0].document["attempts"] == 4


def test_a_vendor_that_wants_an_hour_is_left_alone(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float]
) -> None:
    gateway.troubles = [Trouble("metadata.get_cost", 429, {"Retry-After": "3600"})]
    with pytest.raises(VendorBusy, match=r"asks to wait 3600 s .*run it again then"):
        download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=KEY, gateway=gateway.url)
    assert waits == []


@pytest.mark.parametrize("what", ["half", "cut", "hurt"])
def test_a_stream_that_is_not_whole_is_fetched_again(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float], what: str
) -> None:
    gateway.troubles = [Trouble(DATA, what), Trouble(DATA, what)]
    report = download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=KEY, gateway=gateway.url)
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2
    assert gateway.count(DATA) == 3
    assert report.as_dict()["rows_kept"] == 2760
    assert not list((tmp_path / "raw").rglob(".*"))
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == ["download.lock"]


@pytest.mark.parametrize("mode", ["stream", "batch"])
def test_an_answer_that_grew_since_it_was_quoted_is_counted_anew_and_not_bought_again(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float], mode: Literal["stream", "batch"]
) -> None:
    gateway.troubles = [Trouble("metadata.get_record_count", "stale")]
    asked = replace(request_, sessions=HELD[:2], mode=mode)
    report = download(Lake(tmp_path), asked, key=KEY, gateway=gateway.url)
    assert gateway.count(DATA) + gateway.count("batch.submit_job") == 1
    assert gateway.count("metadata.get_record_count") == 2
    assert (report.retries, report.missing, report.raws[0].document["records"]) == (0, [], 2760)


def test_it_gives_up_in_words_and_the_next_run_goes_on(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float]
) -> None:
    lake = Lake(tmp_path)
    assert download(lake, replace(request_, sessions=HELD[:3]), key=KEY, gateway=gateway.url).requests == 1
    gateway.troubles = [Trouble(DATA, 500)] * 6
    one = replace(request_, parallel=1)
    with pytest.raises(VendorBusy, match=r"did not answer well in 6 attempts.*run it again later") as busy:
        download(lake, one, key=KEY, gateway=gateway.url)
    assert KEY not in str(busy.value)
    assert len(waits) == 5
    assert download(lake, one, key=KEY, gateway=gateway.url).requests == 3


@pytest.mark.parametrize(("status", "remedy"), [(402, "billing"), (403, "subscriptions"), (422, "check symbol")])
def test_a_refusal_is_final(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float], status: int, remedy: str
) -> None:
    gateway.troubles = [Trouble(DATA, status)]
    with pytest.raises(VendorError, match=rf"{status} trouble with \*\*\*; .*{remedy}"):
        download(Lake(tmp_path), replace(request_, sessions=HELD[:3]), key=KEY, gateway=gateway.url)
    assert waits == []
    assert gateway.count(DATA) == 1


def test_warnings_belong_to_their_answer(tmp_path: Path, gateway: Gateway, request_: DownloadRequest) -> None:
    gateway.troubles = [Trouble(DATA, "warned", {"X-Warning": json.dumps(["Warning: a word", "another"])})]
    report = download(Lake(tmp_path), replace(request_, parallel=4), key=KEY, gateway=gateway.url)
    heard = [raw.document["warnings"] for raw in report.raws if raw.document["warnings"]]
    assert heard == [["a word", "another"]]
    assert [text.split(": ")[-1] for text in report.warnings] == ["a word", "another"]


def test_the_key_is_nowhere_on_disk_or_in_words(
    tmp_path: Path, gateway: Gateway, request_: DownloadRequest, waits: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    gateway.troubles = [Trouble(DATA, 500), Trouble("metadata.get_cost", 429, {"Retry-After": "1"})]
    report = download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=KEY, gateway=gateway.url)
    told = "".join(capfd.readouterr()) + json.dumps(report.as_dict()) + repr(report)
    assert KEY not in told
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_two_downloads_at_once_would_pay_twice(tmp_path: Path, gateway: Gateway, request_: DownloadRequest) -> None:
    lake = Lake(tmp_path)
    with alone(lake), pytest.raises(Refused, match=r"another download is under way; wait until it has ended"):
        download(lake, request_, key=KEY, gateway=gateway.url)
    assert gateway.asked == []
    download(lake, request_, key=KEY, gateway=gateway.url)
    with alone(lake):
        assert download(lake, request_, key=None).requests == 0


@pytest.mark.parametrize(
    "address", ["http://example.com", "ftp://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1.nip.io"]
)
def test_the_key_never_travels_in_the_clear(tmp_path: Path, request_: DownloadRequest, address: str) -> None:
    with pytest.raises(BadInput, match=r"use https://, or http:// on this machine; the key goes there"):
        download(Lake(tmp_path), request_, key=KEY, gateway=address)


@pytest.mark.parametrize("fault", ["warning", "206"])
def test_what_the_vendor_says_is_recorded(
    tmp_path: Path, market: SimulatedMarket, request_: DownloadRequest, fault: str
) -> None:
    with DatabentoServer(market, faults=Faults([fault])) as server:
        report = download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=server.key, gateway=server.url)
    document = report.raws[0].document
    assert (report.missing, report.retries) == ([], 0)
    assert document["status"] == (206 if fault == "206" else 200)
    assert bool(document["not_found"]) == (fault == "206")
    assert bool(document["warnings"]) == (fault == "warning")
    words = "not found: " if fault == "206" else document["warnings"][0]
    assert words in report.warnings[0]
    assert report.warnings[0].startswith("MESU6 ohlcv-1m from 2026-09-07T22:00:00Z: ")


def test_an_empty_answer_where_there_are_records_is_asked_again(
    tmp_path: Path, market: SimulatedMarket, request_: DownloadRequest, waits: list[float]
) -> None:
    faults = Faults(["empty"])
    with DatabentoServer(market, faults=faults) as server:
        report = download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=server.key, gateway=server.url)
    assert (faults.requests[DATA], report.retries, report.missing) == (2, 1, [])


class Stranger(Loopback):
    """A server that answers every call with one document, as no vendor does."""

    document: object = None

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{call:.*}", self._answer)
        return app

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.json_response(self.document)


@pytest.mark.parametrize("document", [None, {"x": 1}, "text", [], [{"date": "no date"}], [[]]])
def test_an_answer_in_another_form_is_said_to_be_one(
    tmp_path: Path, request_: DownloadRequest, document: object
) -> None:
    with Stranger(host="127.0.0.1", port=0) as server:
        server.document = document
        with pytest.raises(VendorError, match=r"in another form .*; check DATABENTO_GATEWAY"):
            download(Lake(tmp_path), request_, key=KEY, gateway=server.url)
