"""Monte Carlo against cases worked out by hand, and against the same paths walked bar by bar."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import ScalperError
from scalper.simulate.elements import Elements, closing_ns, orders, sessions
from scalper.simulate.metrics import max_drawdown, sharpe, summarise
from scalper.simulate.montecarlo import POINTS, Limit, MonteCarlo, account_limits, bootstrap, shuffle
from scalper.simulate.resample import blocks, shuffles
from tests.policy.support import lane
from tests.simulate.sample import simulation

CAPITAL = 1000.0
DAY = date(2026, 3, 2)
MINUTE = 60_000_000_000


def plain(nets: list[float]) -> Elements:
    """Elements that move straight from their start to their end."""
    net = np.array(nets, np.float64)
    low, high = np.minimum(net, 0), np.maximum(net, 0)
    return Elements(net, high, low, -low, high, low, -low)


def path(days: list[list[float]], maes: dict[int, float] | None = None) -> tuple[pl.DataFrame, ...]:
    """(daily, trades, equity): a day is its changes of equity a bar, all in one trade that ends at 17:00."""
    nets = [float(sum(one)) for one in days]
    dates = [DAY + timedelta(days=n) for n in range(len(days))]
    cash = CAPITAL + np.cumsum(nets)
    ends = closing_ns(pl.Series(dates, dtype=pl.Date)).tolist()
    stamps = [end - (len(one) - 1 - i) * MINUTE for end, one in zip(ends, days, strict=True) for i in range(len(one))]
    trades = pl.DataFrame(
        {
            "session": dates,
            "entry_ns": [end - len(one) * MINUTE for end, one in zip(ends, days, strict=True)],
            "exit_ns": ends,
            "net": nets,
            "commission": [0.84] * len(days),
            "mae": [(maes or {}).get(n, 0.0) for n in range(len(days))],
            "mfe": [max(0.0, *np.cumsum(one)) + 0.42 for one in days],
        },
        schema={
            "session": pl.Date, "entry_ns": pl.Int64, "exit_ns": pl.Int64, "net": pl.Float64, "commission": pl.Float64,
            "mae": pl.Float64, "mfe": pl.Float64,
        },
    )  # fmt: skip
    equity = CAPITAL + np.cumsum([change for one in days for change in one])
    daily = pl.DataFrame(
        {"session": dates, "net": nets, "cash": cash, "trades": [1] * len(days)},
        schema={"session": pl.Date, "net": pl.Float64, "cash": pl.Float64, "trades": pl.Int64},
    )
    return daily, trades, pl.DataFrame({"ts_ns": stamps, "equity": equity}, schema={"ts_ns": pl.Int64, "equity": float})


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 70), st.integers(1, 500))
def test_blocks_are_runs_on_a_circle(n: int, block: int, length: int, most: int) -> None:
    """Inside a block every index is followed by its neighbour; memory splits the draws without changing them."""
    found = np.concatenate(list(blocks(n, 7, 1, block=block, length=length, most=most)))
    assert found.shape == (7, length)
    assert ((found >= 0) & (found < n)).all()
    inside = np.arange(1, length) % block != 0
    assert (np.diff(found, axis=1)[:, inside] % n == 1 % n).all()
    assert (found == next(blocks(n, 7, 1, block=block, length=length))).all()


@given(st.integers(1, 30), st.integers(1, 200))
def test_shuffles_are_permutations(n: int, most: int) -> None:
    found = np.concatenate(list(shuffles(n, 9, 2, most=most)))
    assert (np.sort(found, axis=1) == np.arange(n)).all()
    assert (found == next(shuffles(n, 9, 2))).all()


def test_every_index_and_every_order_is_equally_likely() -> None:
    """6,000 draws: 1/3 each of three starts, 1/6 each of six orders, within four standard errors."""
    drawn = np.concatenate(list(blocks(3, 6000, 1, block=2)))
    for place in range(3):
        assert np.bincount(drawn[:, place]) / 6000 == pytest.approx(1 / 3, abs=4 * (2 / 9 / 6000) ** 0.5)
    orders = Counter(map(tuple, np.concatenate(list(shuffles(3, 6000, 1))).tolist()))
    assert len(orders) == 6
    assert [count / 6000 for count in orders.values()] == pytest.approx([1 / 6] * 6, abs=4 * (5 / 36 / 6000) ** 0.5)


def test_two_sessions_by_hand() -> None:
    """+10 and −10 drawn twice: 20, 0, 0 or −20, with drawdowns of 0, 10, 10 and 20."""
    found = bootstrap(plain([10.0, -10.0]), CAPITAL, draws=4000, block=1)
    pairs = Counter(zip(found.net.tolist(), found.drawdown.tolist(), strict=True))
    assert set(pairs) == {(20.0, 0.0), (0.0, 10.0), (-20.0, 20.0)}
    for pair, chance in (((20.0, 0.0), 1 / 4), ((0.0, 10.0), 1 / 2), ((-20.0, 20.0), 1 / 4)):
        assert pairs[pair] / 4000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 4000) ** 0.5)
    assert found.bands.rows()[0] == (0, *[CAPITAL] * 5)
    assert found.bands.select("session", "p5", "p50", "p95").rows()[2] == (2, 980.0, 1000.0, 1020.0)


def test_whole_blocks_are_rotations() -> None:
    """Blocks as long as the path: only +10 −4 −6, −4 −6 +10 and −6 +10 −4; all end where they began."""
    found = bootstrap(plain([10.0, -4.0, -6.0]), CAPITAL, draws=300, block=3)
    first = np.concatenate(list(blocks(3, 300, 1, block=3)))[:, 0]
    assert np.abs(found.net).max() < 1e-9
    assert found.drawdown.tolist() == pytest.approx([(10.0, 10.0, 6.0)[one] for one in first])
    by_hand = [sharpe(np.roll([0.01, -0.004, -0.006], -int(one))) for one in first]
    assert found.sharpe == pytest.approx(by_hand)
    assert found.table()["figure"].to_list() == ["net", "drawdown", "sharpe"]


def test_other_lengths() -> None:
    """Sixty sessions out of two; the bands have a row a session."""
    found = bootstrap(plain([1.0, 1.0]), CAPITAL, draws=10, length=60)
    assert found.net.tolist() == [60.0] * 10 and found.bands.height == 61
    assert found.bands["p5"].to_list() == [CAPITAL + n for n in range(61)]
    assert bootstrap(plain([1.0] * 1000), CAPITAL, draws=10).bands.height <= POINTS + 1


def test_shuffled_trades_by_hand() -> None:
    """+10, −5, −5 in sessions of two and one: the win stands first, in the middle or last, each in a third."""
    found = shuffle(plain([10.0, -5.0, -5.0]), np.array([2, 1]), CAPITAL, draws=3000)
    order = np.concatenate(list(shuffles(3, 3000, 1)))
    at = (order == 0).argmax(axis=1)
    assert found.net.tolist() == [0.0] * 3000
    assert found.drawdown.tolist() == [(10.0, 5.0, 10.0)[one] for one in at]
    assert found.bands.rows()[0] == (0, *[CAPITAL] * 5) and found.bands.rows()[2] == (2, *[CAPITAL] * 5)
    assert found.bands.rows()[1] == (1, 990.0, 990.0, 1005.0, 1005.0, 1005.0)
    by_hand = [sharpe([0.01, -0.01]) if one == 2 else sharpe([0.005, -0.005]) for one in at]
    assert np.abs(found.sharpe) == pytest.approx(np.abs(by_hand))


def test_a_shuffle_needs_its_sessions() -> None:
    with pytest.raises(ScalperError, match="3 trades, but the sessions count 2"):
        shuffle(plain([1.0, 2.0, 3.0]), np.array([2, 0]), CAPITAL)


def test_what_a_session_is_reduced_to() -> None:
    """Up 30 and back to 10, then a day that falls 25 and recovers, its worst at 27 below within a bar."""
    daily, trades, equity = path([[30.0, -20.0], [-25.0, 25.0]], {1: -26.58})
    found = sessions(daily, trades, equity)
    assert found.net.tolist() == [10.0, 0.0]
    assert found.high.tolist() == [30.0, 0.0]
    assert found.low.tolist() == [0.0, -25.0]
    assert found.fall.tolist() == [20.0, 25.0]
    assert found.extreme_high.tolist() == pytest.approx([30.0, 0.0])
    assert found.extreme_low.tolist() == pytest.approx([-0.42, -27.0])
    assert found.extreme_fall.tolist() == pytest.approx([20.0, 27.0])


def limit(dollars: float, **how: object) -> Limit:
    return Limit(name="it", dollars=dollars, **how)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        (limit(45.0), True, False),  # from the 30 of the first day down to −15 on the second
        (limit(45.01), False, False),
        (limit(25.0), True, True),  # the second day alone
        (limit(47.0, extremes=True), True, False),
        (limit(47.01, extremes=True), False, False),
        (limit(35.0, trails="close"), False, False),  # from 10, the first day's end, down to −15: 25
        (limit(25.0, trails="close"), True, True),
        (limit(25.01, trails="close"), False, False),
        (limit(27.0, trails="close", extremes=True), True, True),
        (limit(27.01, trails="close", extremes=True), False, False),
        (limit(25.0, trails="close", lock=-15.0), True, True),  # the level stops at −15, or at −25 of the second alone
        (limit(25.0, trails="close", lock=-15.01), False, True),
        (limit(45.0, lock=-15.0), True, False),
        (limit(45.0, lock=-15.01), False, False),
    ],
)
def test_limits_by_hand(rule: Limit, first: bool, second: bool) -> None:
    """The two days above in either order: which of the two reaches the limit; a limit is reached at ≥."""
    daily, trades, equity = path([[30.0, -20.0], [-25.0, 25.0]], {1: -26.58})
    found = bootstrap(sessions(daily, trades, equity), CAPITAL, draws=50, block=2, limits=[rule])
    starts = np.concatenate(list(blocks(2, 50, 1, block=2)))[:, 0]
    assert found.reached == {"it": float(np.where(starts == 0, first, second).mean())}


def test_a_peak_counts_only_once_it_has_been() -> None:
    """A fall of 25 before a day that makes 40 is no fall of 65, in whatever order the days come."""
    elements = sessions(*path([[-25.0, 25.0], [40.0], [0.0]]))
    rules = [limit(25.0, trails="close"), Limit(name="more", dollars=25.01, trails="close")]
    assert bootstrap(elements, CAPITAL, draws=60, block=3, limits=rules).reached == {"it": 1.0, "more": 0.0}


def test_shuffled_trades_meet_limits_at_their_extremes() -> None:
    """A winner that was 40 down on the way reaches a limit of 40 in real time, and none at the closes."""
    trades = pl.DataFrame({"net": [5.0], "mae": [-39.58], "mfe": [5.84], "commission": [0.84]})
    rules = [limit(40.0), Limit(name="firm", dollars=40.0, trails="close", extremes=True)]
    found = shuffle(orders(trades), np.array([0, 1, 0]), CAPITAL, draws=5, limits=rules)
    assert found.reached == {"it": 0.0, "firm": 1.0}


days = st.lists(st.lists(st.integers(-40, 40).map(float), min_size=1, max_size=6), min_size=1, max_size=8)


@settings(max_examples=100)
@given(days, st.integers(1, 9), st.integers(1, 12))
def test_reduced_sessions_walk_like_their_bars(days: list[list[float]], block: int, length: int) -> None:
    """The drawdown of every draw is that of the equity, bar by bar, of the sessions drawn."""
    elements = sessions(*path(days))
    found = bootstrap(elements, CAPITAL, draws=6, block=block, length=length, limits=[limit(50.0)], most=17)
    drawn = np.concatenate(list(blocks(len(days), 6, 1, block=block, length=length)))
    for row, net, drawdown in zip(drawn.tolist(), found.net, found.drawdown, strict=True):
        bars = np.array([change for day in row for change in days[day]])
        assert net == pytest.approx(bars.sum())
        assert drawdown == pytest.approx(max_drawdown(CAPITAL + np.cumsum(bars), CAPITAL)[0])
    assert found.reached["it"] == pytest.approx((found.drawdown >= 49.995).mean())


def test_the_path_itself_has_the_metrics_drawdown() -> None:
    """Drawn in its own order, a simulation falls as far as its metrics say, within its sessions too."""
    daily, trades, equity, _ = simulation(60, 0.45, seed=3)
    elements = sessions(daily, trades, equity)
    found = bootstrap(elements, CAPITAL, draws=600, block=60)
    own = np.concatenate(list(blocks(60, 600, 1, block=60)))[:, 0] == 0
    metrics = summarise(daily, trades, equity, CAPITAL)
    assert own.any() and found.drawdown[own] == pytest.approx(metrics.drawdown)
    assert found.sharpe[own] == pytest.approx(metrics.sharpe)
    assert found.net[own] == pytest.approx(metrics.net)


def test_a_seed_repeats_whatever_the_memory() -> None:
    elements = plain(np.random.default_rng(1).normal(1, 9, 100).tolist())

    def drawn(seed: int, most: int) -> MonteCarlo:
        return bootstrap(elements, CAPITAL, draws=50, seed=seed, limits=[limit(60.0)], most=most)

    one, small, other = drawn(1, 1_000_000), drawn(1, 333), drawn(2, 333)
    assert one.net.tolist() == small.net.tolist() != other.net.tolist()
    assert one.reached == small.reached and one.bands.equals(small.bands)


def test_memory_is_bounded() -> None:
    """5,000 draws of 1,000 sessions are 40 MB a matrix; a block at a time stays far below one."""
    elements = plain(np.random.default_rng(1).normal(1, 9, 1000).tolist())
    tracemalloc.start()
    try:
        bootstrap(elements, CAPITAL, draws=5000, limits=[limit(60.0)], most=50_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 35e6


def test_nothing_to_draw_from() -> None:
    """Without a session, or without a trade, there are no draws, and the limits are not reached."""
    daily, trades, equity = (frame.clear() for frame in path([[1.0]]))
    for found in (
        bootstrap(sessions(daily, trades, equity), CAPITAL, limits=[limit(1.0)]),
        shuffle(orders(trades), np.zeros(3, np.int64), CAPITAL, limits=[limit(1.0)]),
    ):
        assert found.draws == 0 and found.reached == {"it": 0.0}
        assert found.bands.is_empty() and found.table().is_empty()
        assert found.as_dict()["reached"] == {"it": 0.0}


@pytest.mark.parametrize(
    ("firm", "expected"),
    [
        ({}, []),
        ({"profile": "topstep", "maximum_loss": 150.0}, [(150.0, "close", True, 0.0)]),
        ({"profile": "apex", "maximum_loss": 200.0}, [(200.0, "open", True, 100.0)]),
    ],
)
def test_the_limits_are_the_lanes(firm: dict[str, object], expected: list[tuple[object, ...]]) -> None:
    """20 % of 1,000 dollars below the highest equity at a close; a firm's by its profile, in real time."""
    found = account_limits(lane(risk={"firm": firm}))
    assert found[0] == Limit(name="account drawdown", dollars=200.0)
    assert [(one.dollars, one.trails, one.extremes, one.lock) for one in found[1:]] == expected
