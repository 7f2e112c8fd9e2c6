"""Calls to Databento's historical API: the real client, our errors, retries that wait as they are told."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from scalper import clock
from scalper.errors import BadInput, VendorBusy, VendorError

ATTEMPTS = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
REMEDIES = {
    401: "check DATABENTO_API_KEY in the environment or .env",
    402: "the account has no means left for this request; see its billing page",
    403: "the account may not read this dataset; see its subscriptions",
    404: "check databento.dataset",
    422: "check symbol, schema and dates of the request",
}


class Vendor:
    """Databento's client behind the errors of this program; the key appears in no message."""

    def __init__(self, key: SecretStr | str | None, gateway: str | None) -> None:
        """`gateway` replaces the vendor's address, verbatim (a server on loopback). Raises BadInput without a key."""
        text = key.get_secret_value() if isinstance(key, SecretStr) else key
        if not text or text == "YOUR_API_KEY":
            raise BadInput("no Databento API key: set DATABENTO_API_KEY in the environment or in .env")
        self._key = text
        self._client: Any = _client(text, gateway)

    def cost(self, **request: Any) -> float:
        """What a request would cost, in dollars."""
        return float(self._call(lambda: self._client.metadata.get_cost(**request)))

    def fetch(self, path: Path, **request: Any) -> list[str]:
        """Stream the answer into `path` and check that it decodes to its end; the vendor's warnings are returned."""
        from databento.common.error import BentoError, BentoWarning
        from databento_dbn import DBNError

        from scalper.lake.dbn import records

        def stream() -> None:
            path.unlink(missing_ok=True)
            try:
                self._client.timeseries.get_range(path=path, **request).reader.close()
            except (DBNError, ValueError) as error:
                if not path.is_file():  # the client refused before it asked
                    raise VendorError(f"databento's client refuses the request: {self._clean(error)}") from None
                raise BentoError(f"the answer is no DBN: {error}") from None
            for _ in records(path):
                pass

        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            self._call(stream)
        return [str(one.message) for one in heard if issubclass(one.category, BentoWarning)]

    def resolve(self, **request: Any) -> dict[str, list[dict[str, str]]]:
        """symbology.resolve: symbol to intervals with d0, d1 (not included) and s."""
        return self._call(lambda: self._client.symbology.resolve(**request))["result"]

    def _call[T](self, ask: Callable[[], T]) -> T:
        """Ask, and ask again after 429, a server's failure or a broken stream, at most ATTEMPTS times.

        Raises VendorError for what asking again cannot mend, VendorBusy when the last attempt failed too.
        """
        import requests
        from databento.common.error import BentoClientError, BentoError, BentoHttpError

        wait, why = FIRST_WAIT_S, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                clock.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT_S)
            try:
                return ask()
            except BentoHttpError as error:
                if isinstance(error, BentoClientError) and error.http_status not in (408, 429):
                    remedy = REMEDIES.get(error.http_status, "see the vendor's documentation of this status")
                    raise VendorError(f"Databento refused the request: {self._clean(error)}; {remedy}") from None
                wait, why = _told(error.headers.get("Retry-After"), wait), self._clean(error)
            except (BentoError, BadInput, requests.ConnectionError, requests.Timeout) as error:
                why = self._clean(error)
        raise VendorBusy(
            f"Databento did not answer well in {ATTEMPTS} attempts, the last time: {why}; run it again later"
        )

    def _clean(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(self._key, "***")


def _client(key: str, gateway: str | None) -> Any:
    import databento

    client: Any = databento.Historical(key)
    if gateway is not None:  # Historical(gateway=…) would force https
        from databento.historical.api.metadata import MetadataHttpAPI
        from databento.historical.api.symbology import SymbologyHttpAPI
        from databento.historical.api.timeseries import TimeseriesHttpAPI

        address = gateway.rstrip("/")
        client.timeseries = TimeseriesHttpAPI(key, address)
        client.metadata = MetadataHttpAPI(key, address)
        client.symbology = SymbologyHttpAPI(key, address)
    return client


def _told(retry_after: str | None, otherwise: float) -> float:
    """Seconds to wait: what the vendor says, if it says seconds."""
    seconds = float(retry_after) if retry_after is not None and retry_after.isdigit() else otherwise
    return min(seconds, LONGEST_WAIT_S)
