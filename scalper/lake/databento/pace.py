"""How often a vendor may be asked, how long to wait after a refusal, and how much may be spent."""

from __future__ import annotations

import random
from collections import deque
from email.utils import parsedate_to_datetime
from threading import Lock

from scalper import clock
from scalper.errors import VendorError

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0


class Pace:
    """At most `calls` in any `seconds`, over all threads that share it."""

    def __init__(self, calls: int, seconds: float) -> None:
        self._calls, self._seconds = calls, seconds
        self._slots: deque[float] = deque(maxlen=calls)
        self._not_before = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        """Return when the next call may be made."""
        with self._lock:
            now = clock.monotonic()
            full = len(self._slots) == self._calls
            slot = max(now, self._not_before, self._slots[0] + self._seconds if full else now)
            self._slots.append(slot)
        if slot > now:
            clock.sleep(slot - now)

    def hold(self, seconds: float) -> None:
        """No call before `seconds` from now: the vendor asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, clock.monotonic() + seconds)


class Purse:
    """What one download may cost and what it has cost, streams that broke and were asked for again included."""

    def __init__(self, cap_usd: float) -> None:
        self.cap_usd = cap_usd
        self.spent_usd = self._reserved = 0.0
        self._lock = Lock()

    def reserve(self, usd: float, what: str) -> None:
        """Set `usd` aside until `settle`. Raises VendorError if that would pass the cap."""
        with self._lock:
            so_far = self.spent_usd + self._reserved
            if so_far + usd > self.cap_usd + 1e-9:
                raise VendorError(
                    f"{what} would cost ${usd:.2f} more than the ${so_far:.2f} spent, the cap is ${self.cap_usd:.2f}; "
                    "what was paid for is kept: run it again, or raise databento.cap_usd"
                )
            self._reserved += usd

    def settle(self, usd: float, *, billed: bool) -> None:
        """What was set aside is spent, or not after all."""
        with self._lock:
            self._reserved -= usd
            self.spent_usd += usd if billed else 0.0


def backoff(attempt: int) -> float:
    """Seconds before attempt 1, 2, …: doubled each time up to a minute, of which the upper half is chance."""
    return min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def told(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header asks to wait (it gives seconds or an HTTP date); None if it says nothing."""
    text = (retry_after or "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return None
