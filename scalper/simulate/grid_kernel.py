# pyright: basic
"""One session for many rule sets, in one call: the loop of kernel.run_session, set after set over the same bars."""

from __future__ import annotations

from scalper.compiled import kernel
from scalper.simulate.kernel import run_session


@kernel
def run_sets(
    accounts, books, rules, markets, bars, aux, predictions, tables, which, norms, decisions, trades, fills, found
):
    """Play a session for each set.

    accounts (s,) ACCOUNT and books (s,) BOOK move on; rules (s,) RULES and markets (s,) MARKET; tables (g,) TIMETABLE,
    of which set i has number which[i]. decisions (1,), trades (1,) and fills are scratch, as nothing is kept of a bar;
    found (s,) int64 gets the number of trades.
    """
    for i in range(accounts.size):
        g = which[i]
        found[i] = run_session(
            accounts[i : i + 1],
            books[i : i + 1],
            rules[i : i + 1],
            markets[i : i + 1],
            bars,
            aux,
            predictions,
            tables[g : g + 1],
            norms,
            decisions,
            trades,
            fills,
        )
