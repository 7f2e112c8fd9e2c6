"""What the kernel knew of a session's structure and when: read from its state after every bar, never from the bars.

So a picture of these marks cannot show anything before the kernel had it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalper.features.levels import BLOCK, CHOCH, GAP, SWINGS, ZONES
from scalper.features.session import Stream

ZONE_KINDS = {int(GAP): "gap", int(BLOCK): "block"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on the chart. A level has `low` = `high`; prices in ticks, times in UTC ns.

    kind: swing, gap, block, sweep, bos, choch, range (of the Asian night), manipulation, distribution.
    """

    kind: str
    side: int
    """+1: a high, a bull zone, upwards. -1: a low, a bear zone, downwards."""
    at_ns: int
    """Start of the bar at which it is drawn: its extreme, or the level's."""
    known_ns: int
    """End of the bar after which the state held it."""
    until_ns: int
    """When it was broken, filled, forgotten; else the end of the last bar."""
    low: int
    high: int


class Marks:
    """Collects marks while a session's bars go through the stream."""

    def __init__(self, state: np.ndarray, windows: np.ndarray, timetable: np.ndarray, columns: int) -> None:
        self._stream = Stream(state, windows, timetable, columns)
        self._p: Any = windows[0]
        self._t: Any = timetable[0]
        self._starts: list[int] = []  # of each frame bar
        self._open: dict[tuple[str, int, int], int] = {}  # ring place to the mark that lies there
        self._seen = {"swings": [0, 0], "zones": [0, 0]}
        self._last = {"break": -1, "sweep": -1}  # frame bars of the newest
        self._phase, self._night, self._ranged = 0, 0, False  # of the amd group
        self.found: list[Mark] = []

    def push(self, bar: np.ndarray) -> None:
        """Take one bar (1,) of BAR and read what the state holds now."""
        self._stream.push(bar)
        s: Any = self._stream.state[0]
        now = int(bar["ts_ns"][0] + self._t["interval_ns"])
        frame_ns = int(self._p["frame_ns"])
        ts_ns = int(bar["ts_ns"][0])
        if frame_ns > 0 and (not self._starts or ts_ns >= self._starts[-1] + frame_ns):
            self._starts.append(ts_ns // frame_ns * frame_ns)
        if frame_ns > 0 and s["fr_done"] > 0:
            self._end(s, now)
            self._swings(s, now)
            self._zones(s, now)
            self._events(s, now)
        self._amd(s, ts_ns, int(bar["close"][0]), now)

    def all(self, end_ns: int) -> list[Mark]:
        """Every mark, in the order in which they became known; what still stood ends at `end_ns`."""
        whole = [replace(one, until_ns=end_ns) if one.until_ns == 0 else one for one in self.found]
        return sorted(whole, key=lambda one: one.known_ns)

    def _add(self, kind: str, side: int, frame: int, now: int, low: int, high: int, until: int = 0) -> int:
        self.found.append(Mark(kind, side, self._starts[frame], now, until, low, high))
        return len(self.found) - 1

    def _close(self, place: tuple[str, int, int], now: int) -> None:
        at = self._open.pop(place)
        self.found[at] = replace(self.found[at], until_ns=now)

    def _end(self, s: Any, now: int) -> None:
        """Close what was broken, filled or is too old."""
        newest, memory = int(s["fr_n"]) - 1, int(self._p["st_memory"])
        for place in list(self._open):
            what, row, i = place
            if what == "swing":
                gone = s["st_broken"][row, i] == 1 or newest - s["st_at"][row, i] > memory
            else:
                gone = s["st_alive"][row, i] == 0 or newest - s["st_born"][row, i] > memory
            if gone:
                self._close(place, now)

    def _swings(self, s: Any, now: int) -> None:
        for row in range(2):
            for count in range(self._seen["swings"][row], int(s["st_swings"][row])):
                i = count % SWINGS
                if ("swing", row, i) in self._open:
                    self._close(("swing", row, i), now)
                price = int(s["st_price"][row, i])
                made = self._add("swing", 1 - 2 * row, int(s["st_at"][row, i]), now, price, price)
                self._open["swing", row, i] = made
            self._seen["swings"][row] = int(s["st_swings"][row])

    def _zones(self, s: Any, now: int) -> None:
        for row, kind in ZONE_KINDS.items():
            for count in range(self._seen["zones"][row], int(s["st_zones"][row])):
                i = count % ZONES
                if (kind, row, i) in self._open:
                    self._close((kind, row, i), now)
                low, high = int(s["st_low"][row, i]), int(s["st_high"][row, i])
                made = self._add(kind, int(s["st_face"][row, i]), int(s["st_from"][row, i]), now, low, high)
                self._open[kind, row, i] = made
            self._seen["zones"][row] = int(s["st_zones"][row])

    def _events(self, s: Any, now: int) -> None:
        """The newest break and the newest sweep, each over at once: a line from the swing's level to now."""
        for what in ("break", "sweep"):
            at, side = int(s[f"st_{what}_at"]), int(s[f"st_{what}"])
            if side == 0 or at == self._last[what]:
                continue
            self._last[what] = at
            kind = what if what == "sweep" else "choch" if s["st_break_kind"] == CHOCH else "bos"
            level = int(s[f"st_{what}_level"])
            self._add(kind, side, int(s[f"st_{what}_from"]), now, level, level, now)

    def _amd(self, s: Any, start: int, close: int, now: int) -> None:
        """The night's range from its end on; the bar that leaves it, and the bar that shows the direction.

        A bar that does both is drawn as the second.
        """
        phase, side, low, high = (int(s[f"am_{name}"]) for name in ("phase", "side", "low", "high"))
        if phase >= 1 and self._phase == 0:
            self._night = start
        if phase >= 1 and not self._ranged and now - int(self._t["regular_open_ns"]) > int(self._p["am_to"]):
            self.found.append(Mark("range", 0, self._night, now, 0, low, high))
            self._ranged = True
        if phase == 2 and self._phase < 2:
            edge = high if side > 0 else low
            self.found.append(Mark("manipulation", side, start, now, now, edge, edge))
        if phase == 3 and self._phase < 3:
            self.found.append(Mark("distribution", side, start, now, now, close, close))
        self._phase = phase


def marks(state: np.ndarray, windows: np.ndarray, bars: np.ndarray, timetable: np.ndarray, columns: int) -> list[Mark]:
    """The marks of a session's bars (n,) of BAR, in the order in which they became known.

    state, windows, timetable, columns: as for `compute`, of a lane with the groups `structure` and `amd`; the state
    moves on. Two frame bars that complete on one bar (a missing bar before it) show the later one's break only.
    """
    found = Marks(state, windows, timetable, columns)
    for i in range(bars.size):
        found.push(bars[i : i + 1])
    return found.all(int(bars["ts_ns"][-1] + timetable["interval_ns"][0]) if bars.size else 0)
