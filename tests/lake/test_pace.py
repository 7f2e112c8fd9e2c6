"""The vendor's limits, waits and what may be spent, by a clock of our own."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper import clock
from scalper.errors import VendorError
from scalper.lake.databento.pace import Pace, Purse, backoff, told


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(
    calls=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=40),
    holds=st.dictionaries(st.integers(0, 39), st.floats(0, 5), max_size=3),
)
def test_no_window_ever_holds_more_calls_than_the_limit(
    calls: int, pauses: list[float], holds: dict[int, float]
) -> None:
    fake = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "monotonic", lambda: fake.now)
        patch.setattr(clock, "sleep", fake.sleep)
        pace, made, until = Pace(calls, 2.0), list[float](), 0.0
        for i, pause in enumerate(pauses):
            fake.now += pause
            if i in holds:
                pace.hold(holds[i])
                until = max(until, fake.now + holds[i])
            pace.wait()
            made.append(fake.now)
            assert made[-1] >= until - 1e-9
    for i in range(calls, len(made)):
        assert made[i] - made[i - calls] >= 2.0 - 1e-9


def test_threads_share_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(clock, "monotonic", lambda: 100.0)
    monkeypatch.setattr(clock, "sleep", waited.append)
    pace = Pace(3, 1.0)
    threads = [Thread(target=pace.wait) for _ in range(9)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(waited) == [1.0] * 3 + [2.0] * 3


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("", None), ("7", 7.0), (" 2.5 ", 2.5), ("soon", None), ("0", 0.0)]
)
def test_retry_after_in_seconds(text: str | None, seconds: float | None) -> None:
    assert told(text) == seconds


def test_retry_after_as_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC))
    assert told("Sat, 21 Nov 2026 12:01:30 GMT") == 90.0
    assert told("Sat, 21 Nov 2026 11:00:00 GMT") == 0.0


@given(attempt=st.integers(1, 40))
def test_waits_double_up_to_a_minute_and_never_all_at_once(attempt: int) -> None:
    full = min(2.0 ** (attempt - 1), 60.0)
    assert full / 2 <= backoff(attempt) <= full
    assert len({backoff(attempt) for _ in range(5)}) > 1


def test_a_purse_counts_what_was_billed() -> None:
    purse = Purse(1.0)
    purse.reserve(1.0, "MESZ6 trades")
    with pytest.raises(VendorError, match=r"MESZ6 trades would cost \$0.30 more than the \$1.00 spent, the cap is \$1"):
        purse.reserve(0.30, "MESZ6 trades")  # what is under way counts
    purse.settle(1.0, billed=False)
    purse.reserve(0.75, "MESZ6 trades")
    purse.settle(0.75, billed=True)
    purse.reserve(0.25, "MESZ6 trades")
    with pytest.raises(VendorError, match=r"more than the \$1.00 spent"):
        purse.reserve(0.01, "MESZ6 trades")
    assert purse.spent_usd == 0.75
