"""What goes wrong on request: faults that a server serves once each, and conditions that last.

One-shot faults are served in their order, one to a data request that they fit, and the requests between are answered
properly. Lasting ones (degraded days, missing seconds, a rate limit) hold for as long as the server runs.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scalper import clock
from scalper.errors import BadInput

STREAM, SUBMIT, FILE = "timeseries.get_range", "batch.submit_job", "batch.download"
"""The data requests."""

ONE_SHOT: dict[str, tuple[str, ...]] = {
    "401": (STREAM, SUBMIT, FILE),
    "402": (STREAM, SUBMIT),
    "422": (STREAM, SUBMIT),
    "429": (STREAM, SUBMIT, FILE),
    "504": (STREAM, SUBMIT, FILE),
    "truncated": (STREAM, FILE),
    "cut": (STREAM, FILE),
    "warning": (STREAM, SUBMIT),
    "206": (STREAM,),
    "empty": (STREAM,),
    "wrong_byte": (FILE,),
    "failed": (SUBMIT,),
    "lost": (SUBMIT,),
}
"""Fault to the data requests that it fits."""

EXPLAINED = {
    "401": "the key is refused",
    "402": "the account has no funds",
    "422": "the request is refused",
    "429": "too many requests, with Retry-After",
    "504": "a gateway's page instead of an answer",
    "truncated": "the body ends early, the HTTP answer is well formed",
    "cut": "the connection is dropped inside the body",
    "warning": "a header X-Warning",
    "206": "all that was asked for, and a symbol in the metadata's not_found",
    "empty": "a header without records",
    "wrong_byte": "a batch file of the right size with a byte changed",
    "failed": "a batch job that is taken and expires without files",
    "lost": "a batch job that is taken, and nobody hears of it (504)",
    "degraded": "lasting: every fifth UTC day is degraded, or those of --degraded",
    "missing_seconds": "lasting: a tenth of the seconds of degraded days is lost",
}
NAMES = tuple(EXPLAINED)
DEGRADED_EVERY = 5
LOST_SHARE = 0.1
"""Share of the seconds of a degraded day that are lost."""

DAY_NS = 86_400 * clock.NS
SECOND_NS = clock.NS
EPOCH = date(1970, 1, 1)
Condition = Literal["available", "degraded", "pending", "missing"]


@dataclass(frozen=True, slots=True)
class Days:
    """UTC days that are not `available`; a missing or pending day has no data."""

    degraded: frozenset[date] = frozenset()
    missing: frozenset[date] = frozenset()
    pending: frozenset[date] = frozenset()
    degraded_every: int = 0

    def condition(self, day: date) -> Condition:
        """What metadata.get_dataset_condition says of a day."""
        if day in self.missing:
            return "missing"
        if day in self.pending:
            return "pending"
        nth = self.degraded_every and (day - EPOCH).days % self.degraded_every == 0
        return "degraded" if day in self.degraded or nth else "available"


class Faults:
    """The faults of one server; its `requests` and `served` count what came and what went wrong.

    `names`: of NAMES, served in turn; `every`: only each K-th data request is faulted (2: a retry is answered
    properly); `repeat`: begin again after the last. `degraded`, `missing`, `pending`: UTC days; `degraded_every`: each
    n-th day since 1970. `limit_per_second`: 429 beyond so many requests in a second. `retry_after_s`: what a 429 asks
    to wait, whole seconds. Raises BadInput.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        every: int = 1,
        *,
        repeat: bool = False,
        degraded: Sequence[date] = (),
        missing: Sequence[date] = (),
        pending: Sequence[date] = (),
        degraded_every: int = 0,
        limit_per_second: int | None = None,
        retry_after_s: int = 1,
    ) -> None:
        if unknown := [name for name in names if name not in NAMES]:
            raise BadInput(f"no fault is called {', '.join(unknown)}: use some of {', '.join(NAMES)}")
        if (
            every < 1
            or degraded_every < 0
            or retry_after_s < 0
            or (limit_per_second is not None and limit_per_second < 1)
        ):
            raise BadInput("every and limit_per_second count from 1, degraded_every and retry_after_s from 0")
        if "degraded" in names and not degraded and not degraded_every:
            degraded_every = DEGRADED_EVERY
        self.days = Days(frozenset(degraded), frozenset(missing), frozenset(pending), degraded_every)
        self.every, self.repeat, self.retry_after_s = every, repeat, retry_after_s
        self.missing_seconds = "missing_seconds" in names
        self.limit_per_second = limit_per_second
        self.requests: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self._names = [name for name in names if name in ONE_SHOT]
        self._left = list(self._names)
        self._data = 0
        self._times: deque[float] = deque(maxlen=limit_per_second)
        self._lock = threading.Lock()

    @property
    def left(self) -> list[str]:
        """One-shot faults that were not served yet, in order."""
        return list(self._left)

    def count(self, route: str) -> bool:
        """Count a request; False if it is beyond the limit."""
        with self._lock:
            self.requests[route] += 1
            if self.limit_per_second is None:
                return True
            now = clock.monotonic()
            if len(self._times) == self.limit_per_second and now - self._times[0] < 1.0:
                self.served["limit"] += 1
                return False
            self._times.append(now)
            return True

    def next(self, route: str) -> str | None:
        """The fault that a data request on `route` meets, if any: the first one left that fits."""
        with self._lock:
            self._data += 1
            if self._data % self.every:
                return None
            if not self._left and self.repeat:
                self._left = list(self._names)
            name = next((one for one in self._left if route in ONE_SHOT[one]), None)
            if name is not None:
                self._left.remove(name)
                self.served[name] += 1
            return name

    def kept(self, ts_ns: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which records are not lost, by their stamps (ascending, of one session); None: all are there."""
        if len(ts_ns) == 0:
            return None
        days = range(int(ts_ns[0]) // DAY_NS, int(ts_ns[-1]) // DAY_NS + 1)
        states = {day: self.days.condition(date.fromordinal(EPOCH.toordinal() + day)) for day in days}
        if all(state == "available" for state in states.values()):
            return None
        kept = np.ones(len(ts_ns), np.bool_)
        for day, state in states.items():
            part = slice(*np.searchsorted(ts_ns, [day * DAY_NS, (day + 1) * DAY_NS]).tolist())
            if state in ("missing", "pending"):
                kept[part] = False
            elif state == "degraded" and self.missing_seconds:
                kept[part] = ~_lost(ts_ns[part] // SECOND_NS)
        return kept


def _lost(seconds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a second is one that is lost on a degraded day: a fixed tenth of them, scattered by a hash."""
    mixed = seconds.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(40)).astype(np.float64) < LOST_SHARE * 2**24
