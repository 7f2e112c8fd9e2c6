"""The page of a session: every feature and every mark of it, nothing from elsewhere."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake, bar_keys, import_files
from scalper.lane.chart import LONG, chart, framed
from scalper.lane.shown import catalogue, show_session
from scalper.lane.shown_page import PLOT, page, write
from scalper.market import INTERVALS, from_ticks, instrument, session
from scalper.settings import REPOSITORY, Home, Lane, load_lane
from tests.features.support import walk

DAYS = (date(2021, 7, 13), date(2021, 7, 14))
GROUPS = ("returns", "trend", "volatility", "bar", "structure", "regime", "sessions", "amd")
SVG = "{http://www.w3.org/2000/svg}"


def made_lane(interval: str = "5m", groups: tuple[str, ...] = GROUPS, **given: object) -> Lane:
    windows = {"ema": (3, 8), "volatility": (6, 60), "higher": ("15m",)} | given
    return Lane.model_validate(
        {"name": "seen", "symbol": "MES", "source": "import", "interval": interval, "start": DAYS[0], "end": DAYS[1]}
        | {"features": {"groups": groups, **windows}}
    )


def fill(home: Home, interval: str = "5m", bars: int | None = None) -> None:
    """Sessions of a random walk in the lake."""
    for seed, day in enumerate(DAYS):
        one = session("MES", day)
        ts_ns = np.arange(one.open_ns, one.close_ns, INTERVALS[interval])[:bars]
        frame = from_ticks(walk(np.random.default_rng(seed), ts_ns), instrument("MES").tick, "MESU21")
        Lake(home.lake).write("bars", bar_keys("import", "MES", interval, day), frame)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(root=tmp_path_factory.mktemp("home"))
    fill(made)
    return made


def test_the_catalogue_has_every_column_with_its_words() -> None:
    rows = catalogue(made_lane())
    assert len(rows) == 70
    assert all(one["formula"] and one["unit"] and one["inputs"] for one in rows)
    assert {one["group"] for one in rows} == set(GROUPS)


def test_the_last_session_is_shown_with_the_context_of_the_one_before(home: Home) -> None:
    shown = show_session(made_lane(), home)
    assert (shown.session, shown.contract, shown.x.shape) == (DAYS[1], "MESU21", (276, 70))
    names = [one.name for one in shown.columns]
    before = show_session(made_lane(), home, DAYS[0])
    prior = shown.x[:, names.index("prior_close")]
    assert prior[0] == shown.close[0] - before.close[-1]
    assert np.isnan(before.x[:, names.index("prior_close")]).all(), "no session before the first"


def test_each_plot_starts_where_its_column_is_warm(home: Home) -> None:
    shown = show_session(made_lane(), home)
    for i, one in enumerate(shown.columns):
        there = np.isfinite(shown.x[:, i])
        assert not there[: one.warm_up].any(), one.name
        assert there[one.warm_up :].all(), one.name


def test_the_page_has_each_feature_and_each_mark(home: Home, tmp_path: Path) -> None:
    shown = show_session(made_lane(), home)
    html, svg = write(shown, home, tmp_path / "out")
    text = html.read_text()
    assert re.findall(r"<b>(\w+)</b>", text) == ["price", *(one.name for one in shown.columns)]
    assert text.count('class="line"') == len(shown.columns) + 1
    assert not re.search(r"(src|href)=\"(?!#)", text), "nothing is fetched"
    assert "<script" not in text
    picture = ElementTree.parse(svg).getroot()
    titles = [one.text or "" for one in picture.iter(f"{SVG}title")]
    assert len(titles) == len(shown.marks) + 1
    for words in ("swing high", "order block bull", "fair-value gap bear", "sweep up", "break of structure down"):
        assert any(one.startswith(words) for one in titles), words


def test_the_small_picture_has_the_regular_hours_only(home: Home) -> None:
    shown = show_session(made_lane(), home)
    small = shown.svg(regular=True)
    assert "09:00</text>" in shown.svg()
    assert "09:00</text>" not in small
    assert "10:00</text>" in small
    assert 10 < small.count("<g><title>") < shown.svg().count("<g><title>") == len(shown.marks)


def test_a_mark_is_drawn_at_its_extreme_and_ends_where_it_is_known(home: Home) -> None:
    shown = show_session(made_lane(), home)
    swing = next(one for one in shown.marks if one.kind == "swing")
    picture = ElementTree.fromstring(chart(shown.frame, [swing], "one"))
    group = next(one for one in picture.iter(f"{SVG}g") if one.find(f"{SVG}title") is not None)
    line = re.fullmatch(r"M([\d.]+) ([\d.]+)H([\d.]+)", group[1].attrib["d"])
    assert line is not None
    half = INTERVALS["5m"] // 2
    expected = [shown.frame.x(swing.at_ns + half), shown.frame.y(swing.low), shown.frame.x(swing.known_ns - half)]
    assert [float(one) for one in line.groups()] == pytest.approx([float(one) for one in expected], abs=0.06)
    assert shown.frame.clock(swing.known_ns) in (group[0].text or "")


def test_without_the_group_the_structure_is_drawn_all_the_same(home: Home) -> None:
    assert len(show_session(made_lane(groups=("returns",)), home).marks) > 50


@pytest.mark.parametrize("day", [date(2021, 4, 2), date(2021, 11, 26)], ids=["no regular hours", "early close"])
def test_short_sessions_are_drawn(tmp_path: Path, day: date) -> None:
    home = Home(root=tmp_path)
    one = session("MES", day)
    ts_ns = np.arange(one.open_ns, one.close_ns, INTERVALS["5m"])
    contract = "MESM21" if day.month == 4 else "MESZ21"
    frame = from_ticks(walk(np.random.default_rng(1), ts_ns), instrument("MES").tick, contract)
    Lake(home.lake).write("bars", bar_keys("import", "MES", "5m", day), frame)
    lane = made_lane().model_copy(update={"start": day, "end": day + timedelta(days=1)})
    shown = show_session(lane, home)
    assert shown.frame.clock(shown.frame.end_ns) == ("09:15" if day.month == 4 else "13:15")
    for text in (page(shown), shown.svg(regular=True)):
        assert 'width="-' not in text
        assert "nan" not in text


def test_a_lane_in_which_structure_is_not_warm_in_time_says_so(home: Home) -> None:
    fill(home, "15m")
    shown = show_session(made_lane("15m", groups=("returns",), returns=(1, 5)), home)
    assert shown.marks == []
    assert "68 bars to warm up" in shown.unmarked
    assert "No structure: " in page(shown)


def test_seconds_are_drawn_on_minutes_and_thinned(home: Home) -> None:
    fill(home, "1s", bars=4000)
    lane = made_lane("1s", higher=("1m",))
    shown = show_session(lane, home)
    assert shown.frame.ts_ns.size == -(-4000 // 60)
    assert shown.x.shape[0] == 4000
    longest = max(re.findall(r'class="line" d="([^"]*)"', page(shown)), key=len)
    assert longest.count("L") < 2 * PLOT


def test_candles_are_the_bars_of_the_frame() -> None:
    one = session("MES", DAYS[1])
    bars = walk(np.random.default_rng(1), one.ny(9, 30) + np.arange(10) * INTERVALS["1m"])
    lane = made_lane("1m")
    made = framed(bars, INTERVALS["5m"], lane.timetable(one), instrument("MES").tick)
    assert made.open.tolist() == bars["open"][[0, 5]].tolist()
    assert made.close.tolist() == bars["close"][[4, 9]].tolist()
    assert made.high.tolist() == [bars["high"][:5].max(), bars["high"][5:].max()]
    assert made.low.tolist() == [bars["low"][:5].min(), bars["low"][5:].min()]
    assert (made.clock(made.start_ns), made.clock(made.end_ns)) == ("09:30", "09:40")


def test_an_empty_lake_and_a_day_without_a_session_are_named(tmp_path: Path, home: Home) -> None:
    with pytest.raises(DataUnavailable, match="has no 5m bars of MES"):
        show_session(made_lane(), Home(root=tmp_path))
    with pytest.raises(BadInput, match="2021-07-17 is no session"):
        show_session(made_lane(), home, date(2021, 7, 17))
    later = made_lane().model_copy(update={"start": date(2022, 7, 13), "end": date(2022, 7, 14)})
    with pytest.raises(DataUnavailable, match="2021-07-13 to 2021-07-14, none of the lane's dates 2022-07-13 to 2022"):
        show_session(later, home)


def test_a_folder_in_the_page_s_place_is_named(tmp_path: Path, home: Home) -> None:
    (tmp_path / "features.html").mkdir()
    with pytest.raises(BadInput, match=r"/features\.html: a folder has the name of the file"):
        write(show_session(made_lane(), home), home, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["features.html"]


def test_the_document_s_picture_is_drawn_by_this_code(real_data: Path, tmp_path: Path) -> None:
    """If this fails: the commands below the picture in docs/features.md, then look at what changed."""
    file = real_data / "es_5m" / "ESU21.txt.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    home = Home(root=tmp_path)
    import_files(Lake(home.lake), [file], symbol="ES", interval="5m", tz="America/Chicago")
    shown = show_session(load_lane(REPOSITORY / "config" / "es_5m.yaml"), home, date(2021, 6, 28))
    assert {one.kind for one in shown.marks} == set(LONG)
    assert shown.svg() == (REPOSITORY / "docs" / "structure.svg").read_text()
