"""The report as a file: whole, offline, escaped, and right in what it says."""

from __future__ import annotations

import json
import re
import resource
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scalper.simulate import markup
from scalper.simulate.metrics import max_drawdown, summarise
from scalper.simulate.montecarlo import drawn as scalper_drawn
from scalper.simulate.report import write_report
from scalper.simulate.report_bars import costs_by_hour, costs_by_session, distribution_figure
from scalper.simulate.report_data import conditions
from scalper.simulate.report_figures import equity_figure, fan_figure, session_figure, thin
from scalper.simulate.sketch import columns_svg, equity_svg, fan_svg, ranks_svg
from tests.policy.support import lane
from tests.simulate.sample import CAPITAL, NO_EQUITY, report


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A GO report as text."""
    return write_report(tmp_path_factory.mktemp("report") / "deep" / "report.html", report()).read_text(
        encoding="utf-8"
    )


class Parsed(HTMLParser):
    """Collects what a test asks about: unbalanced tags, ids, addresses, visible text."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [value for name in ("src", "href") if (value := found.get(name))]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


def drawn(page: str) -> dict[str, Any]:
    """The pictures' specifications in the page."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_stands_alone(page: str) -> None:
    """One file below 6 MB: nothing is fetched, every tag is closed, every picture has its place."""
    parsed = Parsed(page)
    assert len(page.encode()) < 6_000_000
    assert parsed.addresses == [] and "default-src 'none'" in page
    assert parsed.open == [] and parsed.wrong == []
    assert page.count("<script>") == 2
    assert set(drawn(page)) == {
        *("equity", "session", "hours", "bands", "reasons", "distribution", "refusals", "changes"),
        *("fan_sessions", "fan_trades", "costs_sessions", "costs_hours"),
    }
    assert set(drawn(page)) <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))


def test_refusals_are_of_what_was_wanted(page: str) -> None:
    """Neither FLAT nor a position refuses anything; a stop that was moved is a change."""
    assert drawn(page)["refusals"]["data"][0]["y"] == ["end_of_day", "cooldown", "expected_move", "confidence"]
    assert drawn(page)["changes"]["data"][0]["y"] == ["size_market", "size_risk", "size_confidence", "trailing"]


def test_says_what_it_is(page: str) -> None:
    """Verdict, stage, lane, dates, simulated market, fill mode, reasons, figures and digests are all there in words."""
    data, text = report(), Parsed(page).text
    for words in (
        "✓ GO",
        "PAPER",
        "demo",
        "November 3, 2025 to April 17, 2026",
        "Simulated market sandbox-7-1",
        "Fills realistic",
        "All 6 checks passed",
        *data.reasons,
        markup.dollars(data.metrics.net),
        "5 % bound 1.31",
        "wf.profit_factor",
        "A position that stays overnight.",
        *data.digests.values(),
        *data.notes,
        "through it by a tick",
        "Latency0 bars between",
        "Risk statecarried through all folds",
        "Session filterregular hours",
        "regular hours, 09:30 to 16:00",
        "Loss of the session$50.00$50.40$52.90$2.90",
        "2 fired, 1 ended beyond: by $2.90 at most",
        "31,000 class FLAT, 2,210 in a position",
        "account drawdown",
        "Longest losing streak",
    ):
        assert words in text, words


def test_no_go(tmp_path: Path) -> None:
    """A NO-GO says so, counts what failed, and lists it first."""
    text = Parsed(write_report(tmp_path / "r.html", report("NO-GO", 0.3)).read_text(encoding="utf-8")).text
    assert "✕ NO-GO" in text and "4 of 6 checks failed: nothing here is fit to trade" in text
    assert text.index("wf.sharpe") < text.index("holdout") < text.index("parity")


def test_real_data_is_named(tmp_path: Path) -> None:
    """The badge of a real market is not that of a simulated one, and the mode says what it is."""
    how = conditions(lane(simulation={"mode": "optimistic", "latency_bars": 1, "risk": "reset"}, hours="all"))
    data = report(simulated=False, source="databento", mode="optimistic", conditions=how)
    text = Parsed(write_report(tmp_path / "r.html", data).read_text(encoding="utf-8")).text
    assert "Real market data databento" in text and "Simulated market" not in text
    for words in ("an upper bound, not a forecast", "none on any order", "1 bar between", "fresh account", "all hours"):
        assert words in text, words


def test_escapes(tmp_path: Path) -> None:
    """Text from outside stays text, in the page and in the pictures' script."""
    evil = "<script>alert(1)</script>&"
    refusals = pl.DataFrame({"gate": [evil], "count": [1]})
    folds = pl.DataFrame({"fold": [evil], "net": [1.0]})
    check = {
        "id": evil,
        "stage": evil,
        "value": {evil: evil},
        "threshold": evil,
        "status": evil,
        "detail": evil,
        "protects": evil,
    }
    data = report(
        title=evil,
        lane=evil,
        source=evil,
        stage=evil,
        mode=evil,
        reasons=[evil],
        notes=[evil],
        digests={evil: evil},
        refusals=refusals,
        folds=folds,
        checks=[check],
    )
    page = write_report(tmp_path / "r.html", data).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("<script>") == 2 and Parsed(page).wrong == []
    assert drawn(page)["refusals"]["data"][0]["y"] == ["&lt;script&gt;alert(1)&lt;/script&gt;&amp;"]


def test_nothing_to_show(tmp_path: Path) -> None:
    """A lane that never traded, with its hold-out unopened, still gets its report."""
    full = report()
    daily, trades = full.daily.clear(), full.trades.clear()
    data = replace(
        full,
        verdict="NO-GO",
        daily=daily,
        trades=trades,
        equity=NO_EQUITY,
        folds=full.folds.clear(),
        checks=[],
        holdout=None,
        refusals=full.refusals.clear(),
        changed=full.changed.clear(),
        limits=full.limits.clear(),
        monte_carlo=scalper_drawn(lane(), daily, trades, NO_EQUITY, draws=10),
        example=full.example.clear(),
        metrics=summarise(daily, trades, NO_EQUITY, CAPITAL),
    )
    page = write_report(tmp_path / "r.html", data).read_text(encoding="utf-8")
    assert drawn(page) == {}
    more = ("Nothing was changed.", "Nothing was drawn.", "No trade, no costs.", "None.")
    for words in (
        "Not opened.",
        "No trade.",
        "No fold.",
        "No session to show.",
        "Nothing was refused.",
        "no session",
        *more,
    ):
        assert words in page


def test_replaces_whole(tmp_path: Path) -> None:
    """A second report takes the place of the first, and leaves nothing else behind."""
    path = tmp_path / "report.html"
    assert write_report(path, report()) == path
    write_report(path, report("NO-GO"))
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]
    assert "NO-GO" in path.read_text(encoding="utf-8")[:2000]


def test_a_write_that_fails_leaves_the_old_report_and_no_scrap(tmp_path: Path) -> None:
    path, limits = write_report(tmp_path / "report.html", report()), resource.getrlimit(resource.RLIMIT_FSIZE)
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_report(path, report("NO-GO"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == before


def test_equity_picture() -> None:
    """The lines end where the figures say: net after costs, gross before them, and the deepest fall is the drawdown."""
    data = report()
    before, after, fall = equity_figure(data.daily, data.trades, data.equity, CAPITAL)["data"]
    assert after["y"][-1] == pytest.approx(CAPITAL + data.metrics.net, abs=0.01)
    assert before["y"][-1] == pytest.approx(CAPITAL + data.metrics.gross, abs=0.01)
    assert min(fall["y"]) == pytest.approx(-100 * data.metrics.drawdown_share, abs=0.001)
    assert after["x"] == sorted(after["x"])


def test_a_simulation_is_no_verdict(tmp_path: Path) -> None:
    """Without a gate the page says so, and has neither checks nor a hold-out."""
    data = report(verdict=None, stage="", checks=[], reasons=[], holdout=None)
    page = write_report(tmp_path / "r.html", data).read_text(encoding="utf-8")
    text = Parsed(page).text
    assert "A simulation, not a verdict" in text and "<title>Simulation" in page
    for words in ("✓", "✕", "GO", "checks passed", "The hold-out", "Not opened", "Stage", "Walk-forward"):
        assert words not in text, words
    assert {"equity", "fan_sessions"} <= set(drawn(page)) and Parsed(page).wrong == []


def test_fan_picture() -> None:
    """The bands lie in order, begin at the capital, and the path that was ends where the metrics say."""
    data = report()
    futures, orders = data.monte_carlo
    low, high, inner, outer, median, was = fan_figure(futures, data.daily, CAPITAL)["data"]
    for five, quarter, half, three, most in zip(low["y"], inner["y"], median["y"], outer["y"], high["y"], strict=True):
        assert five <= quarter <= half <= three <= most
    assert low["y"][0] == high["y"][0] == was["y"][0] == CAPITAL
    assert was["y"][-1] == pytest.approx(CAPITAL + data.metrics.net, abs=0.01)
    assert len(was["x"]) == data.daily.height + 1
    ends = [trace["y"][-1] for trace in fan_figure(orders, data.daily, CAPITAL)["data"]]
    assert ends == pytest.approx([CAPITAL + data.metrics.net] * 6, abs=0.01)


def test_cost_pictures() -> None:
    """Both pictures add up to what was paid, with a bar a session, and a week or a month where there are too many."""
    data = report()
    for figure in (costs_by_hour(data.trades), costs_by_session(data.trades)):
        paid = [sum(trace["y"]) for trace in figure["data"]]
        assert paid == pytest.approx([data.metrics.commission, data.metrics.slippage], abs=0.05)
    assert len(costs_by_session(data.trades)["data"][0]["x"]) == data.metrics.active_sessions
    for sessions, bars in ((500, 100), (4000, 184)):
        days = pl.date_range(date(2010, 1, 4), date(2010, 1, 4) + timedelta(days=sessions * 7 // 5), eager=True)
        trades = pl.DataFrame({"session": days, "commission": 1.0, "slippage": 2.0})
        found = costs_by_session(trades)["data"][0]
        assert len(found["x"]) == pytest.approx(bars, abs=1) and sum(found["y"]) == len(days)


def test_session_picture() -> None:
    """A second-by-second session is drawn around its trades in few candles, with the highest and lowest price."""
    data = report()
    seconds = pl.concat([data.example.with_columns(pl.col("ts_ns") + n * 1_000_000_000) for n in range(60)]).sort(
        "ts_ns"
    )
    inside = data.trades.filter(pl.col("session") == pl.lit(data.daily["session"][-1]))
    candle, target, first, stop, held, *_ = session_figure(seconds, inside)["data"]
    assert len(candle["x"]) <= 450
    shown = seconds.filter(pl.col("ts_ns").is_between(inside["entry_ns"].min(), inside["exit_ns"].max()))
    assert max(candle["high"]) >= shown["high"].max() and min(candle["low"]) <= shown["low"].min()
    assert len(target["x"]) == len(stop["y"]) == len(held["x"]) == 3 * inside.height
    assert first["y"][::3] == inside["first_stop"].to_list() != stop["y"][::3] == inside["stop"].to_list()
    assert (first["name"], stop["name"]) == ("first stop", "last stop")
    assert len(session_figure(data.example, inside.clear())["data"][0]["x"]) == data.example.height


def test_thinning_keeps_extremes() -> None:
    """A long equity becomes short and keeps its ends, its highest and its lowest point."""
    value = CAPITAL + np.random.default_rng(1).normal(0, 1, 200_000).cumsum()
    short = thin(pl.DataFrame({"ts_ns": np.arange(200_000), "equity": value}), 1000)
    assert short.height <= 1002 and short["ts_ns"].is_sorted()
    assert (short["equity"].min(), short["equity"].max()) == (value.min(), value.max())
    assert (short["ts_ns"][0], short["ts_ns"][-1]) == (0, 199_999)


def test_distribution_counts_every_trade() -> None:
    """Outliers are counted at the edge, and a bar has winners or losers, never both."""
    nets = np.concatenate([np.random.default_rng(2).normal(1, 10, 500), [5000.0, -5000.0]])
    bar = distribution_figure(nets)["data"][0]
    assert sum(bar["y"]) == nets.size
    won = sum(n for n, colour in zip(bar["y"], bar["marker"]["color"], strict=True) if colour == "--gain")
    assert won == (nets >= 0).sum()


@pytest.mark.parametrize("rows", [0, 1, 250])
def test_equity_svg(rows: int) -> None:
    """A well-formed picture of any number of sessions, with net and dates in words."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(rows)]
    daily = pl.DataFrame({"session": days, "net": [-1.5] * rows}, schema={"session": pl.Date, "net": pl.Float64})
    picture = equity_svg(daily)
    root = ET.fromstring(picture)
    line = root.find("{http://www.w3.org/2000/svg}polyline")
    assert line is not None and len(line.attrib["points"].split()) == rows + 1
    assert f"{rows} sessions" in picture and "nan" not in picture
    assert not rows or (f"{markup.dollars(-1.5 * rows)} net" in picture and str(days[-1]) in picture)


def test_small_pictures() -> None:
    """Well-formed whatever there is to draw; the drawdown and the draws are told in words, and names are escaped."""
    data = report()
    futures, orders = data.monte_carlo
    with_falls = equity_svg(data.daily, CAPITAL)
    closes = CAPITAL + data.daily["net"].cum_sum().to_numpy()
    assert f"at most {100 * max_drawdown(closes, CAPITAL)[1]:.1f} % below the peak" in with_falls
    five, most = np.quantile(futures.net, [0.05, 0.95]).tolist()
    fan = fan_svg(futures, data.daily, CAPITAL)
    assert f"200 draws, sessions drawn anew: net {markup.dollars(five)} /" in fan and markup.dollars(most) in fan
    nothing = scalper_drawn(lane(), data.daily.clear(), data.trades.clear(), NO_EQUITY, draws=3)[0]
    ranks = ranks_svg("a & b", ["x < y", "z"], [3, 1])
    pictures = [with_falls, fan, fan_svg(orders, data.daily, CAPITAL), fan_svg(nothing, data.daily.clear(), CAPITAL)]
    pictures += [ranks, ranks_svg("none", [], []), equity_svg(data.daily.clear(), CAPITAL)]
    pictures.append(columns_svg("few", ["a", "b"], [1.0, -2.0]))
    assert all(ET.fromstring(one).tag.endswith("svg") and "nan" not in one for one in pictures)
    assert "x &lt; y" in ranks and ranks.count("<rect") == 2 and "middle" in pictures[-1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1234.5, "−$1,234.50"),
        (0.001, "$0.00"),
        (-0.001, "$0.00"),
        (12_345.6, "$12,346"),
        (-12_345.6, "−$12,346"),
    ],
)
def test_dollars(value: float, text: str) -> None:
    """Money has a real minus, commas, and no cents where they do not matter."""
    assert markup.dollars(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (45.4, "45 s"), (60.0, "1.0 min"), (3599.0, "60.0 min"), (5040.0, "1.4 h")]
)
def test_spans(seconds: float, text: str) -> None:
    assert markup.span(seconds) == text


def test_counts() -> None:
    assert [markup.count(n, "trade") for n in (0, 1, 1200)] == ["0 trades", "1 trade", "1,200 trades"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (True, "yes"),
        (3, "3"),
        (-1200, "−1,200"),
        (1.2e-7, "1.2e−07"),
        (0.0312, "0.0312"),
        (-2.5, "−2.50"),
        (0.0, "0.00"),
        ({"a": 1, "b": None}, "a 1<br>b —"),
        ([1, "x<y"], "1, x&lt;y"),
        (float("inf"), "∞"),
        (date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_values(value: object, text: str) -> None:
    """Any value reads as a person writes it."""
    assert markup.shown(value) == text


@pytest.mark.parametrize("values", [[], [0.0], [1.0, -2.0, float("nan")], [3.0] * 400])
def test_columns_svg_is_an_svg_with_a_column_a_value(values: list[float]) -> None:
    from xml.etree import ElementTree

    picture = columns_svg("net <of> a day", range(len(values)), values)
    found = ElementTree.fromstring(picture)
    assert len([one for one in found if one.tag.endswith("rect")]) == len(values)
    assert "net &lt;of&gt; a day" in picture
