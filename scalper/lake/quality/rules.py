"""The quality rules: each looks at one figure of a session, which must lie within its bounds."""

from __future__ import annotations

from dataclasses import dataclass

from scalper.settings import QualitySettings

VERSION = 2
"""Raised when a rule or a figure changes its meaning: reports of another version are made anew."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on one figure of the session table: it must lie in [least, most]; null is not judged."""

    id: str
    figure: str
    text: str
    """What it protects against."""
    said: str
    """The figure in words, `{value}` in it."""
    least: float | None = None
    most: float | None = None

    def why(self, value: float) -> str:
        """The reason that a quarantined session carries."""
        wanted = "" if self.most == 0 else f", {self.bound()} wanted"
        return f"{self.id}: {self.said.format(value=value)}{wanted}"

    def bound(self) -> str:
        """The bound in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return "none" if self.most == 0 else f"at most {self.most:g}"


def rules(limits: QualitySettings) -> tuple[Rule, ...]:
    """All rules, in the order in which they are reported."""
    return (*_files(limits), *_bars(), *_whole(limits), *_compared(limits))


def _files(limits: QualitySettings) -> tuple[Rule, ...]:
    return (
        Rule("schema", "schema", "files of another layout, or damaged ones: they stop the lane", "broken file", most=0),
        Rule(
            "present",
            "missing",
            "sessions without a row of the contract that the roll rule holds",
            "no row of the contract",
            most=0,
        ),
        Rule(
            "condition",
            "condition",
            "days of which the vendor says itself that data is missing or degraded",
            "marked by the vendor",
            most=1 if limits.use_degraded else 0,
        ),
    )


def _bars() -> tuple[Rule, ...]:
    """Rules on single bars: the figure counts those that break it."""

    def none(name: str, figure: str, text: str, said: str) -> Rule:
        return Rule(name, figure, text, f"{{value:.0f}} bars {said}", most=0)

    return (
        none("complete", "nulls", "empty prices or volumes, which would become NaN features", "with an empty value"),
        none("stamps", "stamps", "unsorted, repeated or misaligned stamps: the future before the past", "out of order"),
        none("calendar", "calendar", "bars outside the session or in a halt: a wrong zone or day", "outside its hours"),
        none(
            "ohlc", "ohlc", "high or low that do not enclose the bar: fills at prices that never were", "not enclosed"
        ),
        none("grid", "grid", "prices off the tick grid: another product, adjusted or damaged data", "off the grid"),
        none("volume", "volume_bad", "volume below 1: only traded bars are stored, fills need a trade", "untraded"),
        none(
            "sides",
            "sides",
            "bought and sold volume, trades or the largest trade above the volume: damaged order flow",
            "whose order flow exceeds their volume",
        ),
    )


def _whole(limits: QualitySettings) -> tuple[Rule, ...]:
    """Rules on a session by itself."""
    return (
        Rule(
            "coverage",
            "coverage",
            "feeds that lost part of the regular hours",
            "{value:.3g} of the regular hours hold a bar",
            least=limits.coverage,
        ),
        Rule(
            "spread",
            "spread",
            "quotes that cross or lock, which continuous trading has not",
            "{value:.3g} of the bars end with crossed or locked quotes",
            most=limits.crossed_quotes,
        ),
        Rule(
            "jump",
            "jump",
            "a single wild print that one could trade on paper only",
            "a bar stands out by {value:.3g} median ranges",
            most=limits.jump_atr,
        ),
        Rule(
            "stale",
            "stale",
            "a feed that stood still, or repeated itself, in regular hours",
            "{value:.3g} minutes without a bar that moves",
            most=limits.stale_minutes,
        ),
    )


def _compared(limits: QualitySettings) -> tuple[Rule, ...]:
    """Rules on a session beside its neighbours; see neighbours.py."""
    return (
        Rule(
            "hours",
            "hours",
            "feeds that lost hours in which the neighbouring sessions trade, the night included",
            "{value:.3g} of the neighbours' minutes hold a bar",
            least=limits.hours,
        ),
        Rule(
            "neighbours",
            "neighbours",
            "feeds that lost a part of all trades: too little volume for the distance that prices went",
            "{value:.3g} of the volume that the neighbours have for such a distance",
            least=limits.neighbours,
        ),
        Rule(
            "thin",
            "thin",
            "holidays and contracts whose volume has rolled away",
            "{value:.3g} of the neighbours' volume",
            least=limits.thin_volume,
        ),
        Rule(
            "gap",
            "gap",
            "an opening far from the close before it: another contract or product under this name",
            "opens {value:.3g} median ranges from the close before",
            most=limits.gap_ranges,
        ),
        Rule(
            "roll",
            "roll",
            "a roll to a price that no difference between two expiries explains",
            "rolls over {value:.3g} median ranges",
            most=limits.roll_ranges,
        ),
    )
