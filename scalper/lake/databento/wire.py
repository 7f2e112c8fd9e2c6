"""HTTP to Databento: the real client's calls, each answer with its own status and warnings.

The client reports the header X-Warning through Python's warnings, which belong to the process and not to a call;
calls run side by side here, so the client's three ways to ask are replaced by ones that return the header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import databento
import requests
from databento.common.http import BentoHttpAPI, check_http_error
from databento.historical.api.batch import BatchHttpAPI
from databento.historical.api.metadata import MetadataHttpAPI
from databento.historical.api.symbology import SymbologyHttpAPI
from databento.historical.api.timeseries import TimeseriesHttpAPI
from requests.auth import HTTPBasicAuth
from urllib3.util import Url, parse_url

from scalper.errors import BadInput, VendorError

PIECE = 1 << 20
TIMEOUT_S = (20, 100)
"""Seconds to connect, and between two pieces of an answer."""


LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PLAIN = re.compile(r"[!-~]+")
"""Printable ASCII without a space."""


class Cut(Exception):
    """The answer had begun and broke off: it is billed, and has to be asked for again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a stream that came to its end: HTTP status (206: some symbols were not found) and the vendor's warnings."""

    status: int
    warnings: list[str]


class Wire(BentoHttpAPI):
    """The client's ways to ask; mixed in before one of its classes. `said` collects warnings of small answers."""

    said: list[str]

    def _get(
        self, url: str, params: Iterable[tuple[str, str | None]] | None = None, basic_auth: bool = False
    ) -> requests.Response:
        with self._send("GET", url, params=params) as response:
            return self._checked(response)

    def _post(
        self,
        url: str,
        data: Mapping[str, object | None] | None = None,
        params: Iterable[tuple[str, str | None]] | None = None,
        basic_auth: bool = False,
    ) -> requests.Response:
        with self._send("POST", url, data=data) as response:
            return self._checked(response)

    def _stream(
        self, url: str, data: dict[str, object | None], basic_auth: bool, path: Any = None
    ) -> Any:  # an Answer: the client's store would be opened only to be closed again
        with self._send("POST", url, data=data, stream=True) as response:
            check_http_error(response)
            _write(response, Path(path), "wb")
            return Answer(response.status_code, warnings_of(response))

    def _send(
        self, method: str, url: str, headers: Mapping[str, str | bytes] | None = None, **how: Any
    ) -> requests.Response:
        """Ask with the key, in a session of its own (calls run side by side). Whatever is on this machine is asked
        directly: a proxy of the environment would read the key. A redirect to another host goes without it."""
        user = HTTPBasicAuth(username=self._key, password="")
        with requests.Session() as session:
            session.trust_env = parse_url(url).scheme == "https"
            return session.request(
                method, url, headers={**self._headers, **(headers or {})}, auth=user, timeout=TIMEOUT_S, **how
            )

    def _checked(self, response: requests.Response) -> requests.Response:
        self.said.extend(warnings_of(response))
        check_http_error(response)
        return response


class _Timeseries(Wire, TimeseriesHttpAPI):
    pass


class _Metadata(Wire, MetadataHttpAPI):
    pass


class _Symbology(Wire, SymbologyHttpAPI):
    pass


class _Batch(Wire, BatchHttpAPI):
    def take(self, url: str, path: Path, size: int) -> None:
        """Fetch a job's file into `path`, from where an earlier attempt broke off. Raises VendorError for a URL that
        is not the vendor's, before the key is shown to it."""
        here, there = _place(self._gateway), _place(url)
        vendors = there is not None and there.scheme == "https" and (there.host or "").endswith(".databento.com")
        if there is None or (there[:4] != (here or ())[:4] and not vendors):
            where = there.netloc if there else repr(url)
            raise VendorError(f"file {path.name} would come from {where}, which is not Databento: not fetched")
        have = path.stat().st_size if path.is_file() else 0
        if have == size:
            return
        span = {"Range": f"bytes={have}-{size - 1}"} if 0 < have < size else {}
        with self._send("GET", url, span, stream=True) as response:
            check_http_error(response)
            _write(response, path, "ab" if response.status_code == 206 and span else "wb")


@dataclass(frozen=True, slots=True)
class Client:
    """The parts of Databento's historical client that are used, all on one gateway."""

    timeseries: _Timeseries
    metadata: _Metadata
    symbology: _Symbology
    batch: _Batch
    said: list[str]


def connect(key: str, gateway: str | None) -> Client:
    """A client of `gateway`, verbatim (the client itself would force https on a server of this machine), or of the
    vendor's own address. Raises BadInput for one to which the key would go in the clear."""
    address = (gateway or databento.Historical(key).gateway).rstrip("/")
    where = _place(address)
    if where is None or (where.scheme != "https" and (where.scheme != "http" or where.host not in LOOPBACK)):
        raise BadInput(f"gateway {address!r}: use https://, or http:// on this machine; the key goes there")
    said: list[str] = []
    parts = (_Timeseries(key, address), _Metadata(key, address), _Symbology(key, address), _Batch(key, address))
    for part in parts:
        part.said = said
    return Client(*parts, said)


def _place(url: str) -> Url | None:
    """Where a URL leads (scheme, user, host and port first), by the parser that opens the connection; None for one
    that two parsers may read as two hosts."""
    if not _PLAIN.fullmatch(url) or "\\" in url or "@" in url:
        return None
    try:
        found = parse_url(url)
    except ValueError:
        return None
    return found if found.host else None


def warnings_of(response: requests.Response) -> list[str]:
    """The vendor's warnings: the header X-Warning is a JSON list of texts."""
    text = response.headers.get("X-Warning")
    if text is None:
        return []
    try:
        found = cast(list[object], json.loads(text))
    except ValueError:
        return [text]
    return [str(one).removeprefix("Warning: ") for one in found]


def _write(response: requests.Response, path: Path, mode: str) -> None:
    """The body into a file. Raises Cut if it does not come to its end."""
    with path.open(mode) as file:
        try:
            for piece in response.iter_content(chunk_size=PIECE):
                file.write(piece)
        except requests.RequestException as error:
            raise Cut(f"the answer broke off: {error}") from None
