"""Downloads by the real databento client from a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Thread

import pytest
from aiohttp import web
from pydantic import SecretStr

from scalper import clock
from scalper.errors import BadInput, VendorBusy, VendorError
from scalper.lake import DownloadRequest, Lake, bar_keys, download, import_files, read_session
from scalper.lake.raw import manifest_of
from scalper.market import sessions
from scalper.sandbox import DatabentoServer, SimulatedMarket
from tests.lake.support import digest

KEY = "db-secret-7"
FIRST, LAST = date(2026, 9, 8), date(2026, 9, 18)  # the Monday of expiry week is the 14th
HELD = tuple(sessions("MES", FIRST, LAST))


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return SimulatedMarket("MES", 5, 1.0, start=date(2026, 9, 1), end=date(2026, 9, 25))


@pytest.fixture(scope="module")
def server(market: SimulatedMarket) -> Iterator[DatabentoServer]:
    with DatabentoServer(market, key=KEY) as running:
        yield running


@pytest.fixture
def request_(market: SimulatedMarket) -> DownloadRequest:
    return DownloadRequest("MES", "ohlcv-1m", HELD, "monday", market.source, chunk_sessions=3)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a retry would have waited; none is."""
    waited: list[float] = []
    monkeypatch.setattr(clock, "sleep", waited.append)
    return waited


def test_a_roll_is_downloaded_by_raw_symbols(
    tmp_path: Path, market: SimulatedMarket, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake, seen = Lake(tmp_path), list[tuple[int, int]]()
    report = download(lake, request_, key=SecretStr(KEY), gateway=server.url, progress=lambda *at: seen.append(at))
    figures = report.as_dict()
    assert (figures["contracts"], figures["sessions"], figures["requests"]) == (["MESU26", "MESZ26"], len(HELD), 4)
    assert figures["rows_read"] == figures["rows_kept"] + sum(figures["dropped"].values())
    assert figures["cost_usd"] > 0
    assert seen[-1] == (4, 4)
    for one in HELD:
        held = read_session(lake, source=market.source, symbol="MES", interval="1m", session=one, roll="monday")
        truth = market.bars(held.contract, one, 60_000_000_000)
        assert held.contract == market.front(one, "monday")
        assert (held.bars == truth).all()


def test_raw_files_stay_with_a_manifest_and_are_not_asked_for_again(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    first = download(lake, request_, key=KEY, gateway=server.url)
    document = json.loads(manifest_of(first.files[0]).read_text())
    assert document["request"]["symbols"] == "MESU6"
    assert document["request"]["schema"] == "ohlcv-1m"
    assert len(document["file"]["sha256"]) == 64
    before = digest(tmp_path)
    again = download(lake, request_, key=None, gateway="http://127.0.0.1:1")
    assert (again.requests, again.cost_usd, again.as_dict()["rows_read"]) == (0, 0.0, 0)
    assert digest(tmp_path) == before
    longer = replace(request_, sessions=tuple(sessions("MES", FIRST, date(2026, 9, 21))))
    assert download(lake, longer, key=KEY, gateway=server.url).requests == 1


def test_what_left_the_lake_comes_back_from_the_raw_file(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    first = download(lake, request_, key=KEY, gateway=server.url)
    gone = lake.path("bars", bar_keys(request_.source, "MES", "1m", HELD[2].date))
    kept = gone.read_bytes()
    gone.unlink()
    assert download(lake, request_, key=None).as_dict()["sessions"] == 1
    assert gone.read_bytes() == kept
    gone.unlink()
    raw = first.files[0]
    raw.write_bytes(raw.read_bytes() + b"x")
    with pytest.raises(BadInput, match=rf"{raw.name}: not as it was downloaded; delete it"):
        download(lake, request_, key=None)


def test_the_volume_rule_downloads_the_continuous_symbol(
    tmp_path: Path, market: SimulatedMarket, server: DatabentoServer, request_: DownloadRequest
) -> None:
    lake = Lake(tmp_path)
    report = download(lake, replace(request_, roll="volume", chunk_sessions=30), key=KEY, gateway=server.url)
    assert report.requests == 1
    held = [
        read_session(lake, source=market.source, symbol="MES", interval="1m", session=one, roll="volume")
        for one in HELD
    ]
    assert [one.contract for one in held] == [market.front(one.session, "volume") for one in held]
    assert sorted({one.contract for one in held}) == ["MESU26", "MESZ26"]
    switched = [one for one in held if one.dropped]
    assert len(switched) == 1  # the vendor switches at UTC midnight, two hours into the session
    assert switched[0].dropped == 120
    with pytest.raises(BadInput, match="mappings go from continuous to instrument_id and name no contract"):
        import_files(lake, report.files, symbol="MES")


def test_above_the_cap_nothing_is_downloaded(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest
) -> None:
    with pytest.raises(VendorError, match=r"would cost \$0.01, the cap is \$0.00; nothing was downloaded"):
        download(Lake(tmp_path), request_, key=KEY, gateway=server.url, cap_usd=0.001)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [None, "", SecretStr(""), "YOUR_API_KEY"])
def test_without_a_key_it_says_which_variable(
    tmp_path: Path, request_: DownloadRequest, key: SecretStr | str | None
) -> None:
    with pytest.raises(BadInput, match=r"set DATABENTO_API_KEY in the environment or in .env"):
        download(Lake(tmp_path), request_, key=key)


def test_a_wrong_key_is_refused_once_and_never_shown(
    tmp_path: Path, server: DatabentoServer, request_: DownloadRequest, waits: list[float]
) -> None:
    with pytest.raises(VendorError, match=r"401 .*check DATABENTO_API_KEY") as refused:
        download(Lake(tmp_path), request_, key="db-wrong", gateway=server.url)
    assert "db-wrong" not in str(refused.value)
    assert waits == []


def test_requests_without_sessions_or_of_unknown_products(tmp_path: Path, request_: DownloadRequest) -> None:
    with pytest.raises(BadInput, match="no sessions of MES"):
        download(Lake(tmp_path), replace(request_, sessions=()), key=KEY)
    with pytest.raises(BadInput, match="unknown symbol 'YM'"):
        download(Lake(tmp_path), replace(request_, symbol="YM"), key=KEY)


class Troubled:
    """A gateway before the sandbox's server that answers some requests itself: by a status, or with half a body (200);
    0 and everything after the list is passed on."""

    def __init__(self, behind: str, answers: list[tuple[int, dict[str, str]]]) -> None:
        self.behind, self.answers, self.asked = behind, answers, 0

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        import aiohttp

        self.asked += 1
        trouble = self.answers.pop(0) if self.answers else None
        if trouble is not None and trouble[0] not in (0, 200):
            detail = {"detail": f"trouble with {KEY}"}
            return web.json_response(detail, status=trouble[0], headers=trouble[1])
        headers = {"Authorization": request.headers["Authorization"]}
        form = dict(await request.post())
        async with (
            aiohttp.ClientSession() as client,
            client.post(self.behind + request.path, data=form, headers=headers) as reply,
        ):
            body = await reply.read()
        half = trouble is not None and trouble[0] == 200
        return web.Response(body=body[: len(body) // 2] if half else body, content_type="application/json")


@pytest.fixture
def gateway(server: DatabentoServer) -> Iterator[tuple[Troubled, str]]:
    import asyncio

    troubled = Troubled(server.url, [])
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", troubled._answer)
    runner = web.AppRunner(app, access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield troubled, f"http://127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_it_waits_as_it_is_told_and_goes_on(
    tmp_path: Path, gateway: tuple[Troubled, str], request_: DownloadRequest, waits: list[float]
) -> None:
    troubled, url = gateway
    troubled.answers = [(429, {"Retry-After": "7"}), (503, {}), (504, {})]
    short = replace(request_, sessions=HELD[:2])
    assert download(Lake(tmp_path), short, key=KEY, gateway=url).as_dict()["sessions"] == 2
    assert waits[0] == 7
    assert troubled.asked == 5  # three refusals, the cost, the data


def test_a_stream_that_ends_early_is_fetched_again(
    tmp_path: Path, gateway: tuple[Troubled, str], request_: DownloadRequest, waits: list[float]
) -> None:
    troubled, url = gateway
    troubled.answers = [(0, {}), (200, {}), (200, {})]  # the cost as it is, then half an answer twice
    report = download(Lake(tmp_path), replace(request_, sessions=HELD[:2]), key=KEY, gateway=url)
    assert waits == [1, 2]
    assert troubled.asked == 4
    assert report.as_dict()["rows_kept"] == 2760
    assert not list((tmp_path / "raw").rglob(".*"))


def test_it_gives_up_in_words_and_the_next_run_goes_on(
    tmp_path: Path, gateway: tuple[Troubled, str], request_: DownloadRequest, waits: list[float]
) -> None:
    troubled, url = gateway
    lake = Lake(tmp_path)
    assert download(lake, replace(request_, sessions=HELD[:3]), key=KEY, gateway=url).requests == 1
    troubled.answers = [(500, {})] * 5
    with pytest.raises(VendorBusy, match=r"did not answer well in 5 attempts.*run it again later") as busy:
        download(lake, request_, key=KEY, gateway=url)
    assert KEY not in str(busy.value)
    assert len(waits) == 4
    assert download(lake, request_, key=KEY, gateway=url).requests == 3


@pytest.mark.parametrize(("status", "remedy"), [(402, "billing"), (403, "subscriptions"), (422, "check symbol")])
def test_a_refusal_is_final(
    tmp_path: Path,
    gateway: tuple[Troubled, str],
    request_: DownloadRequest,
    waits: list[float],
    status: int,
    remedy: str,
) -> None:
    troubled, url = gateway
    troubled.answers = [(status, {})]
    with pytest.raises(VendorError, match=rf"{status} trouble with \*\*\*; .*{remedy}"):
        download(Lake(tmp_path), request_, key=KEY, gateway=url)
    assert waits == []
    assert troubled.asked == 1
