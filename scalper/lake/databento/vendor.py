"""Calls to Databento's historical API: the real client, our errors, the vendor's limits, retries that wait as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Any, NotRequired, TypedDict

from pydantic import SecretStr, TypeAdapter, ValidationError

from scalper import clock
from scalper.errors import BadInput, VendorBusy, VendorError
from scalper.lake.databento.pace import Pace, Purse, backoff, told

ATTEMPTS = 6
LONGEST_TOLD_S = 300.0
"""A vendor that asks to wait longer is asked again by the next run."""

REMEDIES = {
    401: "check DATABENTO_API_KEY in the environment or .env",
    402: "the account has no means left for this request; see its billing page",
    403: "the account may not read this dataset; see its subscriptions",
    404: "check databento.dataset",
    422: "check symbol, schema and dates of the request",
}


@dataclass(frozen=True, slots=True)
class Quote:
    """What the vendor says that a request holds: dollars, bytes that are billed, records."""

    usd: float
    bytes: int
    records: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that came whole: its status (206: some symbols were not found), warnings, how often it was asked, and
    its records."""

    status: int
    warnings: list[str]
    attempts: int
    records: int


class DatasetRange(TypedDict):
    """What the vendor has: ISO stamps, `start` included and `end` not, and under `schema` those of each schema."""

    start: str
    end: str
    schema: NotRequired[dict[str, dict[str, str]]]


class DayCondition(TypedDict):
    """What the vendor says of a UTC day."""

    date: date
    condition: str
    last_modified_date: NotRequired[date | None]


class Resolved(TypedDict):
    """Symbol to intervals with d0, d1 (not included) and s."""

    result: dict[str, list[dict[str, str]]]


class Job(TypedDict):
    """A batch job in a list."""

    id: str


def _shaped[T](call: str, kind: type[T], answer: object) -> T:
    """An answer in the form that it should have. Raises VendorError: whoever answers is not the vendor."""
    try:
        return TypeAdapter(kind).validate_python(answer)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise VendorError(
            f"Databento's {call} was answered in another form ({where}: {first['msg']}); check DATABENTO_GATEWAY"
        ) from None


class Vendor:
    """Databento's client behind the errors of this program, for use by several threads; the key is in no message.

    `purse` counts what is billed, `retries` what was asked again.
    """

    def __init__(self, key: SecretStr | str | None, gateway: str | None, *, cap_usd: float = 25.0) -> None:
        """`gateway` replaces the vendor's address, verbatim (a server on loopback). Raises BadInput without a key."""
        text = key.get_secret_value() if isinstance(key, SecretStr) else key
        if not text or text == "YOUR_API_KEY":
            raise BadInput("no Databento API key: set DATABENTO_API_KEY in the environment or in .env")
        from scalper.lake.databento.wire import connect

        self._key = text
        self._client = connect(text, gateway)
        self.purse = Purse(cap_usd)
        self.retries = 0
        self._lock = Lock()
        self._metadata, self._timeseries, self._symbology = Pace(20, 1), Pace(100, 1), Pace(100, 1)
        self._jobs, self._submit = Pace(20, 1), Pace(20, 60)

    @property
    def heard(self) -> list[str]:
        """Warnings of answers other than data, each once."""
        return list(dict.fromkeys(self._client.said))

    @property
    def version(self) -> str:
        """The client and its version, for manifests."""
        from databento.version import __version__

        return f"databento {__version__}"

    def quote(self, **request: Any) -> Quote:
        """Cost, size and record count of a request; asking is free."""
        of = self._client.metadata
        usd = _shaped("get_cost", float, self._call(lambda: of.get_cost(**request), self._metadata))
        size = _shaped("get_billable_size", int, self._call(lambda: of.get_billable_size(**request), self._metadata))
        return Quote(usd, size, self.count(**request))

    def count(self, **request: Any) -> int:
        """Record count of a request; asking is free."""
        found = self._call(lambda: self._client.metadata.get_record_count(**request), self._metadata)
        return _shaped("get_record_count", int, found)

    def dataset_range(self, dataset: str) -> DatasetRange:
        """metadata.get_dataset_range."""
        found = self._call(lambda: self._client.metadata.get_dataset_range(dataset), self._metadata)
        return _shaped("get_dataset_range", DatasetRange, found)

    def condition(self, dataset: str, start: date, end: date) -> list[DayCondition]:
        """metadata.get_dataset_condition of each UTC day of start..end."""
        of = self._client.metadata
        found = self._call(lambda: of.get_dataset_condition(dataset, start_date=start, end_date=end), self._metadata)
        return _shaped("get_dataset_condition", list[DayCondition], found)

    def resolve(self, **request: Any) -> dict[str, list[dict[str, str]]]:
        """symbology.resolve: symbol to intervals with d0, d1 (not included) and s."""
        found = self._call(lambda: self._client.symbology.resolve(**request), self._symbology)
        return _shaped("symbology.resolve", Resolved, found)["result"]

    def fetch(self, path: Path, quote: Quote, check: Callable[[Path], int], **request: Any) -> Fetched:
        """Stream the answer into `path`, and again until `check` accepts the file (it raises BadInput) and counts it.

        Every stream that began is billed: VendorError before one that would pass the cap.
        """
        from scalper.lake.databento.wire import Answer, Cut

        tries = records = 0

        def stream() -> Answer:
            nonlocal tries, records
            tries += 1
            path.unlink(missing_ok=True)
            billed = False
            self.purse.reserve(quote.usd, f"{request['symbols']} {request['schema']}")
            try:
                answer: Any = self._client.timeseries.get_range(path=path, **request)
                billed = True
            except Cut:
                billed = True
                raise
            finally:
                self.purse.settle(quote.usd, billed=billed)
            records = check(path)
            return answer

        answer = self._call(stream, self._timeseries)
        return Fetched(answer.status, answer.warnings, tries, records)

    def submit(self, **request: Any) -> dict[str, Any]:
        """batch.submit_job, asked once: whoever does not hear the answer looks among the jobs before asking again.

        Raises VendorBusy if it is not known whether the job was taken.
        """
        return self._call(lambda: self._client.batch.submit_job(**request), self._submit, attempts=1)

    def jobs(self, since_ns: int) -> list[str]:
        """The ids of the jobs submitted since then that have not expired."""
        since = clock.from_ns(since_ns)
        found = self._call(lambda: self._client.batch.list_jobs(states=None, since=since), self._jobs)
        return [one["id"] for one in _shaped("list_jobs", list[Job], found)]

    def job(self, job_id: str) -> dict[str, Any]:
        """batch.get_job_details."""
        return self._call(lambda: self._client.batch.get_job_details(job_id), self._jobs)

    def job_files(self, job_id: str) -> list[dict[str, Any]]:
        """batch.list_files: filename, size, hash and urls of each."""
        return self._call(lambda: self._client.batch.list_files(job_id), self._jobs)

    def take(self, url: str, path: Path, size: int, check: Callable[[Path], None]) -> None:
        """Fetch a job's file, from where it broke off, and again until `check` accepts it (it raises BadInput)."""

        def once() -> None:
            self._client.batch.take(url, path, size)
            try:
                check(path)
            except BadInput:
                path.unlink()
                raise

        self._call(once, self._timeseries)

    def _call[T](self, ask: Callable[[], T], pace: Pace, attempts: int = ATTEMPTS) -> T:
        """Ask, and ask again after 429, a server's failure or an answer that broke off, as often as `attempts`.

        Raises VendorError for what asking again cannot mend, VendorBusy when the last attempt failed too.
        """
        import requests
        from databento.common.error import BentoClientError, BentoHttpError

        from scalper.lake.databento.wire import Cut

        why = ""
        for attempt in range(1, attempts + 1):
            pace.wait()
            if attempt > 1:
                with self._lock:
                    self.retries += 1
            try:
                return ask()
            except BentoHttpError as error:
                if isinstance(error, BentoClientError) and error.http_status not in (408, 429):
                    remedy = REMEDIES.get(error.http_status, "see the vendor's documentation of this status")
                    raise VendorError(f"Databento refused the request: {self._clean(error)}; {remedy}") from None
                why, wait = self._clean(error), told(error.headers.get("Retry-After"))
                if wait is not None and wait > LONGEST_TOLD_S:
                    raise VendorBusy(f"Databento asks to wait {wait:.0f} s ({why}); run it again then") from None
                if wait is not None:
                    pace.hold(wait)
            except (BadInput, Cut, requests.RequestException) as error:
                why, wait = self._clean(error), None
            except (TypeError, ValueError) as error:  # the client refuses before it asks
                raise VendorError(f"databento's client refuses the request: {self._clean(error)}") from None
            if attempt < attempts:
                clock.sleep(backoff(attempt) if wait is None else wait)
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts, the last time"
        raise VendorBusy(f"Databento did not answer well in {times}: {why}; run it again later")

    def _clean(self, error: Exception) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(self._key, "***")
