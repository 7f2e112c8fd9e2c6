"""What a lane may ask of Databento."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalper.errors import BadInput
from scalper.settings import DatabentoSettings, load_lane

LANE = (
    "name: mes\nsymbol: MES\nsource: databento\ninterval: {interval}\nstart: 2026-09-08\n"
    "labels: {{horizon: 8}}\ndatabento: {asked}\n"
)


@pytest.mark.parametrize(
    ("interval", "asked", "schema"),
    [
        ("1s", "{}", "ohlcv-1s"),
        ("15s", "{}", "ohlcv-1s"),
        ("1m", "{}", "ohlcv-1m"),
        ("15m", "{}", "ohlcv-1m"),
        ("1h", "{}", "ohlcv-1h"),
        ("1s", "{schema: mbp-1, symbol: MES.v.0, mode: batch, parallel: 100}", "mbp-1"),
        ("5m", "{schema: trades}", "trades"),
        ("5m", "{schema: ohlcv-1s}", "ohlcv-1s"),
    ],
)
def test_the_schema_follows_the_interval_unless_one_is_named(
    tmp_path: Path, interval: str, asked: str, schema: str
) -> None:
    path = tmp_path / "mes.yaml"
    path.write_text(LANE.format(interval=interval, asked=asked))
    lane = load_lane(path)
    assert lane.databento.schema_for(lane.interval) == schema


@pytest.mark.parametrize(
    ("interval", "asked", "words"),
    [
        ("1s", "{schema: ohlcv-1m}", "databento.schema: ohlcv-1m is coarser than the lane's interval 1s"),
        ("1s", "{schema: ohlcv-1d}", "databento.schema"),
        ("1s", "{shema: trades}", "did you mean `schema`"),
        ("1s", "{mode: live}", "databento.mode"),
        ("1s", "{parallel: 101}", "databento.parallel"),
        ("1s", "{chunk_sessions: 0}", "databento.chunk_sessions"),
        ("1s", "{cap_usd: -1}", "databento.cap_usd"),
    ],
)
def test_what_cannot_be_asked_is_refused(tmp_path: Path, interval: str, asked: str, words: str) -> None:
    path = tmp_path / "mes.yaml"
    path.write_text(LANE.format(interval=interval, asked=asked))
    with pytest.raises(BadInput, match=words):
        load_lane(path)


def test_the_defaults() -> None:
    asked = DatabentoSettings()
    assert (asked.symbol, asked.mode, asked.parallel, asked.definitions, asked.status) == (
        "auto",
        "stream",
        4,
        True,
        False,
    )
    assert (asked.data_schema, asked.chunk_sessions, asked.cap_usd) == (None, None, 25.0)
