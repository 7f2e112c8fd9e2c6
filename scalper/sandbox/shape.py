"""The constants of a simulated market: what its noise, volume, rolls and planted edge look like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarketShape:
    """Every number of the simulated market, with its unit; the defaults resemble MES.

    Volatilities are standard deviations of one minute's price change in ticks, before the daily and intraday regimes
    (whose mean square is 1). Times are counted from the regular open or close (New York 09:30 and 16:00) or, at night,
    from the session's open.
    """

    # level
    start_ticks: int = 20_000  # first price of the front contract
    floor_ticks: int = 1_000  # at or below it the price stands still: a price can not reach 0
    gap_ticks: float = 6.0  # sd of the gap between two sessions a calendar day apart; grows with the root of the days

    # volatility through the day, ticks per root minute
    sd_midday: float = 2.9
    sd_open: float = 2.8  # added at the regular open, fades within `open_fade_min`
    open_fade_min: float = 18.0
    sd_close: float = 2.6  # added at the regular close, grows over `close_rise_min`
    close_rise_min: float = 18.0
    sd_night: float = 1.3
    sd_europe: float = 0.7  # added around the European open, `europe_after_min` after the session's open
    europe_after_min: float = 540.0
    europe_width_min: float = 70.0

    # regimes: logarithm of volatility, autoregressive
    daily_sd: float = 0.14
    daily_memory: float = 0.93  # a session
    minute_sd: float = 0.12
    minute_memory: float = 0.97  # a minute

    # trading
    traded_regular: float = 0.95  # share of seconds with a trade
    traded_night: float = 0.34
    traded_europe: float = 0.12  # added around the European open
    volume_midday: float = 26.0  # contracts a traded second
    volume_open: float = 55.0
    volume_close: float = 60.0
    volume_night: float = 4.0
    volume_europe: float = 4.0
    steps_regular: int = 4  # price steps a traded second may take (more where the variance asks for it)
    steps_night: int = 2

    # impulses: a minute that moves and trades heavily (its footprint), there for every edge
    impulses: float = 34.0  # a full regular session
    impulse_gap_min: float = 9.0  # least time between two starts: longer than the aftermath, so that they rarely blur
    impulse_first_min: int = 5  # none earlier after the regular open
    impulse_quiet_end_min: int = 50  # none later before the regular close
    impulse_volume: float = 4.0  # times the minute's usual volume
    impulse_ticks_low: int = 6  # the footprint's move, uniform between the two, direction by chance
    impulse_ticks_high: int = 8
    impulse_speed: float = 0.06  # variance a second while the move is undecided, in squared moves
    impulse_settle_s: int = 50  # by this second of the minute the move is decided
    impulse_calm: float = 0.15  # variance of the rest of the minute, times the usual

    # aftermath: the planted edge, nothing at edge 0
    aftermath_ticks: float = 13.0  # expected drift at edge 1, in the footprint's direction
    aftermath_s: int = 480
    aftermath_fade_s: float = 320.0  # weight exp(-t / fade): front-loaded

    # decoys, a full regular session
    decoys_volume: float = 20.0  # minutes of heavy volume without a move
    decoys_move: float = 20.0  # minutes with a move without volume

    # ticks inside a traded second
    trade_size: float = 8.0  # contracts a trade, about
    trades_most: int = 400  # a second
    side_told: float = 0.85  # a trade that moves the price up is the buyer's with this probability
    side_kept: float = 0.7  # without a move the aggressor stays the same with this probability
    wide_share: float = 0.03  # of new quotes that are two ticks wide, not one
    level_size: float = 20.0  # contracts at a new best price, about
    update_share: float = 0.4  # chance of a quote update before a trade, and of another one after it

    # contracts
    carry_ticks: int = 50  # next contract minus this one
    carry_sd_ticks: float = 4.0  # of that, contract by contract
    roll_scale_days: float = 1.3  # how fast volume crosses around the roll Monday (logistic, half a day before it)
    back_share: float = 0.002  # least share of volume of a listed contract
