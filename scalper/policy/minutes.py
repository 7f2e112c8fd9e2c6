# pyright: basic
"""What each completed minute of a session was like, by the policy's own aggregation of bars to minutes."""

from __future__ import annotations

from scalper.compiled import kernel
from scalper.policy.kernel import minute


@kernel
def observe(a, bars, aux, t, seen):
    """Fill `seen` with the volatility and the volume of each minute, as they are known at the close that completes it.

    a (1,) ACCOUNT is scratch whose session has begun; bars (n,) BAR; aux (n,) AUX; t (1,) TIMETABLE; seen (MINUTES,) of
    NORM: a minute that no bar completes stays as it is.
    """
    for i in range(bars.size):
        if minute(a[0], bars[i], t[0]) != 0:
            now = seen[a[0].last_minute]
            now.volatility_ticks, now.volume = aux[i].volatility_ticks, a[0].last_volume
