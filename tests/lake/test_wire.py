"""To whom the key goes: nobody but the vendor and a gateway of this machine, whatever an address looks like."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scalper.errors import BadInput, VendorError
from scalper.lake.databento.wire import connect
from tests.lake.gateway import KEY

SHOWN = "Basic " + b64encode(f"{KEY}:".encode()).decode()
ODD = [
    "http://127.0.0.2:{other}\\@127.0.0.1:{gateway}",
    "http://127.0.0.2:{other}\\@127.0.0.1:{gateway}/v0",
    "http://user@127.0.0.1:{gateway}",
    "https://evil.example\\@hist.databento.com",
    "http://127.0.0.1:{gateway}/a b",
    " http://127.0.0.1:{gateway}",
    "http://127.0.0.1\t:{gateway}",
    "http://127.0.0.1:{gateway}\r\n",
    "https://evil.example\uff0f.databento.com",
    "http://[::1",
    "http://127.0.0.1:99999",
    "https://",
    "http:///v0",
]


class Server(ThreadingHTTPServer):
    """Answers everything with `[]`, or sends it on to `elsewhere`, once; `keys` are the headers Authorization."""

    elsewhere: str = ""

    def __init__(self, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.keys: list[str | None] = []
        self.url = f"http://{host}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.keys.append(self.headers["Authorization"])
        body, elsewhere, server.elsewhere = b"[]", server.elsewhere, ""
        self.send_response(302 if elsewhere else 200)
        if elsewhere:
            self.send_header("Location", elsewhere)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Nothing on stderr."""


@contextmanager
def _serving(host: str) -> Iterator[Server]:
    with Server(host) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def here() -> Iterator[Server]:
    with _serving("127.0.0.1") as server:
        yield server


@pytest.fixture
def other() -> Iterator[Server]:
    """Somebody else, whom the key is none of."""
    with _serving("127.0.0.2") as server:
        yield server


@pytest.mark.parametrize("form", ODD)
def test_a_gateway_that_two_parsers_read_differently_is_refused(here: Server, other: Server, form: str) -> None:
    address = form.format(gateway=here.server_port, other=other.server_port)
    with pytest.raises(BadInput, match=r"use https://, or http:// on this machine; the key goes there"):
        connect(KEY, address).metadata.list_publishers()
    assert here.keys + other.keys == []


@pytest.mark.parametrize("form", [*ODD, "http://127.0.0.2:{other}/a", "http://127.0.0.1:{other}/a", "/a", "file:///a"])
def test_a_file_is_fetched_from_nobody_else(tmp_path: Path, here: Server, other: Server, form: str) -> None:
    url = form.format(gateway=here.server_port, other=other.server_port)
    client = connect(KEY, here.url)
    with pytest.raises(VendorError, match="which is not Databento: not fetched"):
        client.batch.take(url, tmp_path / "a", 2)
    assert here.keys + other.keys == []
    client.batch.take(f"{here.url}/a", tmp_path / "a", 2)
    assert (here.keys, (tmp_path / "a").read_bytes()) == ([SHOWN], b"[]")


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_no_proxy_comes_between_us_and_a_gateway_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Server, other: Server, variable: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, other.url)
    client = connect(KEY, here.url)
    assert client.metadata.list_publishers() == []
    client.batch.take(f"{here.url}/a", tmp_path / "a", 2)
    assert (here.keys, other.keys) == ([SHOWN] * 2, [])


@pytest.mark.parametrize("form", ["http://{other}/a", "//{other}/a", "http://{other}\\@{here}/a", "\\\\{other}/a"])
def test_a_redirect_to_another_host_goes_without_the_key(here: Server, other: Server, form: str) -> None:
    place, elsewhere = here.url.removeprefix("http://"), other.url.removeprefix("http://")
    here.elsewhere = form.format(here=place, other=elsewhere)
    assert connect(KEY, here.url).metadata.list_publishers() == []
    assert len(here.keys + other.keys) == 2
    assert here.keys[0] == SHOWN
    assert SHOWN not in other.keys
