"""Settings: a lane's YAML, the environment, `.env`; every number of the specification with its default.

A later layer wins: YAML, then what a caller passes, then variables `SCALPER_LANE__<SECTION>__<KEY>`. Unknown keys are
errors.
Secrets are `SecretStr` and appear in no message, log, report or bundle.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from scalper.errors import BadInput
from scalper.market import INTERVALS, Instrument, RollRule, Session, costs_of, instrument
from scalper.market.timetable import timetable

REPOSITORY = Path(__file__).resolve().parent.parent
Fraction = Annotated[float, Field(gt=0, lt=1)]
MOST = 1_000_000
"""No count of bars, ticks or seconds is larger: the kernels reckon in 64 bits, and in nanoseconds."""
Positive = Annotated[int, Field(gt=0, le=MOST)]
NotNegative = Annotated[int, Field(ge=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
SESSION_NS = 82_800_000_000_000  # 23 hours


class Section(BaseModel):
    """A part of a lane's configuration: frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SandboxSettings(Section):
    """The simulated market of a sandbox lane."""

    seed: Seed = 7
    edge: float = Field(default=1.0, ge=0)
    """Strength of the planted edge; 0 is a martingale."""


class DatabentoSettings(Section):
    """What is asked of Databento, how, and what it may cost."""

    dataset: str = "GLBX.MDP3"
    data_schema: Literal["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "trades", "tbbo", "mbp-1"] | None = Field(
        default=None, alias="schema"
    )
    """None: bars of the lane's interval. trades, tbbo and mbp-1 become one-second bars with order flow."""
    symbol: str = "auto"
    """By the roll rule, or one of the vendor's: continuous (MES.c.0, .v.0, .n.0), parent (MES.FUT), raw (MESZ6)."""
    mode: Literal["stream", "batch"] = "stream"
    cap_usd: float = Field(default=25.0, ge=0)
    """What one download may cost; beyond it nothing is downloaded."""
    chunk_sessions: Positive | None = None
    """Sessions a request; None: 30 of bars, 1 of ticks. A batch job holds all neighbouring sessions."""
    parallel: int = Field(default=4, ge=1, le=100)
    """Requests at a time; the vendor takes 100 connections."""
    definitions: bool = True
    """Whether each contract's definition is fetched too and compared with our table."""
    status: bool = False
    """Whether the exchange's changes of trading status are fetched too."""

    def schema_for(self, interval: str) -> Literal["ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "trades", "tbbo", "mbp-1"]:
        """The schema of a lane of this interval. Raises ValueError for one whose bars are coarser."""
        length = INTERVALS.get(interval, INTERVALS["1h"])
        if self.data_schema is None:
            return "ohlcv-1s" if length < INTERVALS["1m"] else "ohlcv-1m" if length < INTERVALS["1h"] else "ohlcv-1h"
        if INTERVALS.get(self.data_schema.removeprefix("ohlcv-"), INTERVALS["1s"]) > length:
            raise ValueError(f"databento.schema: {self.data_schema} is coarser than the lane's interval {interval}")
        return self.data_schema


class QualitySettings(Section):
    """When a session is quarantined. Figures of 1,664 real sessions of ES, 2015 to 2021, stand behind the defaults."""

    coverage: Fraction = 0.95
    """Least share of the regular hours' bars that a session must have."""
    hours: Fraction = 0.80
    """Least share of the whole session's minutes that hold a bar, in shares of the neighbouring sessions (ES: 0.87)."""
    thin_volume: Fraction = 0.10
    """Least volume as a share of the median of the neighbouring sessions: holidays of ES have 0.03 to 0.13."""
    neighbours: Fraction = 0.75
    """Least volume for the distance that prices went, in medians of the neighbouring sessions (real feeds that lost
    half of the trades: 0.55 to 0.74; whole ones beside them: 1.2 and more)."""
    jump_atr: float = Field(default=60.0, gt=1)
    """Largest reach of a bar beyond both the bars beside it, in median ranges of its session: a wild print (ES: 12 in
    five minutes, 43 in one). News is none: prices stay, or come back in steps."""
    stale_minutes: float = Field(default=30.0, gt=0)
    """Longest time in regular hours without a bar that moves (ES: 10, and 15 on a holiday)."""
    gap_ranges: float = Field(default=3.0, gt=0)
    """Largest step from a close to the next open, in median ranges of a session (ES: 2.0, the Sunday of 2020-03-01)."""
    roll_ranges: float = Field(default=5.0, gt=0)
    """The same where the contract changes: the difference between two expiries comes on top."""
    crossed_quotes: float = Field(default=0.001, ge=0, lt=1)
    """Largest share of bars whose last quote crosses or locks (ES minutes: none on whole days)."""
    use_degraded: bool = False
    """Whether sessions that the vendor marks degraded are used all the same."""


def _increasing(windows: tuple[int, ...]) -> tuple[int, ...]:
    if not windows or list(windows) != sorted(set(windows)) or windows[0] < 1:
        raise ValueError("windows are positive, different and in rising order")
    if windows[-1] > MOST:
        raise ValueError(f"a window has at most {MOST} bars")
    return windows


def _spread(windows: tuple[int, ...]) -> tuple[int, ...]:
    if windows[0] < 2:
        raise ValueError("a window of one bar has no average and no spread; take 2 or more")
    return windows


def _zoneless(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("a wall time of New York; leave the time zone out")
    return at


Windows = Annotated[tuple[int, ...], AfterValidator(_increasing)]
Spreads = Annotated[Windows, AfterValidator(_spread)]
"""Windows of what a single bar has none of."""


def _wall_time(value: object) -> object:
    """YAML reads an unquoted 16:30 as the number 990, minutes since midnight, and 16:30:00 as 59400 seconds."""
    if not isinstance(value, int) or not 0 <= value < 86_400:
        return value
    seconds = value * 60 if value < 1440 else value
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60)


WallTime = Annotated[time, BeforeValidator(_wall_time), AfterValidator(_zoneless)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Group = Literal[
    "returns", "trend", "time", "volatility", "momentum", "bar", "volume", "higher",
    "trades", "quotes", "structure", "regime", "sessions", "amd", "confluence",
]  # fmt: skip
Component = Literal["agreement", "structure", "break", "block", "gap", "sweep", "amd", "vwap", "delta"]
Condition = Literal["variance_ratio", "hurst", "order", "hours"]


class StructureSettings(Section):
    """Swings, breaks, order blocks, gaps and sweeps on bars of `features.frame`."""

    swing: Positive = 2
    """Bars on either side that a swing stands out from; it is known so many bars after its extreme."""
    memory: Positive = 20
    """Frame bars after which everything is forgotten."""
    displacement: float = Field(default=1.0, ge=0, le=1000)
    """How far a break must have travelled to leave an order block, in mean true ranges."""
    min_gap: Positive = 1
    """Least height of a fair-value gap, in ticks."""
    equal: NotNegative = 1
    """Swings within so many ticks count as equal."""
    lookback: Positive = 10
    """How far back an order block may lie, in frame bars."""


class RegimeSettings(Section):
    """Variance ratio, Hurst exponent and entropy."""

    window: int = Field(default=60, ge=32, le=510)


class AmdSettings(Section):
    """Accumulation, manipulation, distribution: when the range is built, New York wall time."""

    model_config = ConfigDict(populate_by_name=True)

    from_: WallTime = Field(default=time(20, 0), alias="from")
    to: WallTime = time(2, 0)


class ConfluenceSettings(Section):
    """Weights of the score's parts, 1 where none is given; they are normalised, and 0 for a group that is off."""

    weights: dict[Component, Weight] = {}
    regime: dict[Condition, Weight] = {}


class FeatureSettings(Section):
    """The groups of columns, and their windows in bars of the lane."""

    groups: tuple[Group, ...] = ("returns", "trend", "time", "volatility", "momentum", "bar", "volume", "higher")
    returns: Windows = (1, 5, 10, 30, 60)
    ema: Spreads = (9, 21, 50, 200)
    volatility: Spreads = (10, 30, 60, 300)
    volume: Windows = (10, 30, 60)
    atr: Positive = 14
    bollinger: int = Field(default=20, ge=2, le=MOST)
    rsi: Positive = 14
    stochastic: Positive = 14
    macd: tuple[Positive, Positive, Positive] = (12, 26, 9)
    obv: Positive = 10
    vwap_slope: Positive = 5
    higher: tuple[str, ...] = ("1m", "5m")
    """The completed bars of which trend, momentum and volatility are taken; multiples of the lane's interval."""
    flow: Windows = (10, 30, 60)
    """Windows of the order flow."""
    frame: str | None = None
    """Bars on which structure is read; None: the lane's, at least one minute."""
    structure: StructureSettings = StructureSettings()
    regime: RegimeSettings = RegimeSettings()
    amd: AmdSettings = AmdSettings()
    confluence: ConfluenceSettings = ConfluenceSettings()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.macd[0] >= self.macd[1]:
            raise ValueError("macd: the fast average is not shorter than the slow one")
        if not self.groups or len(set(self.groups)) < len(self.groups):
            raise ValueError("groups: name at least one, each once")
        if "higher" in self.groups and not self.higher:
            raise ValueError("groups: higher needs an interval; give features.higher one, such as 5m, or leave it out")
        return self


class Distance(Section):
    """How far a barrier lies from the entry: whole ticks, or the mean true range (of completed minutes) times `atr`."""

    ticks: int | None = Field(default=None, gt=0, le=1000)
    atr: float | None = Field(default=None, gt=0, le=100)
    min: int = Field(default=4, gt=0, le=1000)
    """Bounds of a distance by ATR, in ticks."""
    max: int = Field(default=16, gt=0, le=1000)

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = [name for name in ("ticks", "atr", "reward_to_risk") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in ways) != 1:
            raise ValueError(f"give exactly one of {', '.join(ways)}")
        if self.min > self.max:
            raise ValueError("min is above max")
        fields = type(self).model_fields
        if self.atr is None and any(getattr(self, name) != fields[name].default for name in ("min", "max")):
            raise ValueError("min and max bound a distance by atr only; leave them out")
        return self


class TargetDistance(Distance):
    """The same for a target, which may also be the stop times `reward_to_risk`."""

    reward_to_risk: float | None = Field(default=None, ge=0.1, le=20)


class LabelSettings(Section):
    """What is foreseen within the horizon: the direction of the close, or which of three barriers is met first."""

    kind: Literal["direction", "barrier"] = "direction"
    horizon: Positive = 30
    """Bars of the lane (seconds in a one-second lane)."""
    threshold_ticks: float = Field(default=3.0, gt=0, le=1000)
    """Direction: UP or DOWN if the close moves by more."""
    stop: Distance = Distance(atr=1.5)
    """Barrier: UP if a long, DOWN if a short meets its target before its stop within the horizon."""
    target: TargetDistance = TargetDistance(reward_to_risk=2.0)
    through: int = Field(default=1, ge=0, le=100)
    """Barrier: ticks by which price has to trade through a target."""

    @model_validator(mode="after")
    def _read(self) -> Self:
        # a bundle's lane names every key, so what counts is whether one differs from its default
        given = [key for key in ("stop", "target") if getattr(self, key) != type(self).model_fields[key].default]
        if self.kind == "direction" and given:
            raise ValueError(f"{' and '.join(given)}: of kind barrier only; write kind: barrier, or leave it out")
        return self


class DescribeSettings(Section):
    """What the description of a lane's rows compares them with."""

    reference: tuple[date, date] | None = None
    """First and last session of the reference window; None: the train window of the first fold."""
    drift: float = Field(default=0.25, gt=0)
    """PSI of the newest month beyond chance from which the drift check warns, if KS has moved too: a convention."""
    rows: int = Field(default=100_000, ge=100, le=1000 * MOST)
    """Rows looked at a month, evenly spread."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reference is not None and self.reference[0] > self.reference[1]:
            raise ValueError("reference: the first session is after the last")
        return self


class FoldSettings(Section):
    """Walk-forward folds; splits fall between sessions."""

    unit: Literal["sessions", "weeks", "months"] = "months"
    train: Positive = 6
    validate_: Positive = Field(default=1, alias="validate")
    test: Positive = 1
    step: Positive = 1
    embargo_sessions: Positive = 1
    holdout_sessions: NotNegative = 60


class ModelSettings(Section):
    """XGBoost `multi:softprob`."""

    rounds: Positive = 200
    early_stopping: Positive = 20
    depth: Positive = 4
    learning_rate: Fraction = 0.08
    min_child_weight: float = Field(default=20.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample: float = Field(default=0.6, gt=0, le=1)
    early_stopping_share: Fraction = 0.15
    """The tail of the train window that early stopping looks at."""
    every: Positive = 1
    """Use each n-th training row; labels of neighbouring rows overlap."""
    weights: Literal["none", "uniqueness"] = "none"
    """Weigh training rows by their labels' average uniqueness (mean 1 over the window); calibration undoes what that
    does to the priors."""
    threads: Positive = 2
    """Folds that are trained side by side, each on one thread."""
    seed: Seed = 1


class Range(Section):
    """A range that the search draws from."""

    low: float = Field(ge=0)
    high: float = Field(le=1000)
    step: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class SearchSettings(Section):
    """Optuna's search of threshold, stop and target on the validation window of a fold."""

    sampler: Literal["tpe", "random", "qmc"] = "tpe"
    trials: Positive = 24
    seed: Seed = 1
    confidence: Range = Range(low=0.60, high=0.80, step=0.02)
    stop_atr: Range = Range(low=1.0, high=3.0, step=0.25)
    reward_to_risk: Range = Range(low=1.0, high=3.0, step=0.25)


class Band(Section):
    """Confidence from `at` upwards multiplies the size by `times`."""

    at: float = Field(ge=0, le=1)
    times: float = Field(ge=0, le=1000)


class Tier(Section):
    """Up to this much cash (upper bound included) so many contracts at this share of risk."""

    to: float | None = Field(gt=0)
    contracts: Positive
    risk: Fraction


class StopSettings(Section):
    """Distance of the stop from the fill, in ticks."""

    kind: Literal["atr", "fixed"] = "atr"
    atr_multiple: float = Field(default=1.5, gt=0, le=100)
    fixed_ticks: Positive = 8
    min_ticks: Positive = 4
    max_ticks: Positive = 16

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_ticks > self.max_ticks:
            raise ValueError("min_ticks is above max_ticks")
        return self


class EndOfDay(Section):
    """Minutes before the flat time from which each rule holds; the flat time itself in New York wall time."""

    flat: WallTime = time(16, 30)
    before_stop_min: Positive = 30
    """Flat at the latest so long before the next scheduled halt or close."""
    half_size_min: Positive = 30
    no_entry_min: Positive = 15
    exit_min: Positive = 5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.half_size_min >= self.no_entry_min >= self.exit_min:
            raise ValueError("half size comes first, then no entry, then the exits")
        return self


class PolicySettings(Section):
    """From a prediction to an order."""

    confidence: Fraction = 0.60
    reverse_confidence: Fraction = 0.75
    move_over_cost: float = Field(default=2.0, ge=0, le=1000)
    """Least expected move, in round trips of commission and expected slippage."""
    reward_to_risk: float = Field(default=2.0, gt=0, le=1000)
    stop: StopSettings = StopSettings()
    hold_bars: Positive | None = None
    """Time exit after so many bars; None: the label's horizon."""
    cooldown_s: NotNegative = 30
    max_trades: Positive = 10
    max_reversals: NotNegative = 2
    bands: Annotated[tuple[Band, ...], Field(min_length=1, max_length=8)] = (
        Band(at=0.60, times=0.5),
        Band(at=0.70, times=1.0),
        Band(at=0.80, times=1.5),
        Band(at=0.90, times=2.0),
    )
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=8)] = (
        Tier(to=1000, contracts=1, risk=0.02),
        Tier(to=1500, contracts=2, risk=0.02),
        Tier(to=2000, contracts=3, risk=0.02),
        Tier(to=3000, contracts=4, risk=0.02),
        Tier(to=None, contracts=5, risk=0.015),
    )
    stale_s: Positive = 60
    """No label reaches across so long a stretch without a trade."""
    end_of_day: EndOfDay = EndOfDay()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        starts = [band.at for band in self.bands]
        if starts != sorted(set(starts)):
            raise ValueError("bands overlap: their `at` must rise")
        ends = [float("inf") if tier.to is None else tier.to for tier in self.tiers]
        if ends != sorted(set(ends)) or ends[-1] != float("inf"):
            raise ValueError("tiers overlap or stop short: their `to` must rise and the last be null")
        if self.reverse_confidence < self.confidence:
            raise ValueError("reverse_confidence is below confidence")
        return self


class RiskSettings(Section):
    """Limits of the account, as shares of the starting capital."""

    capital: float = Field(default=1000.0, gt=0, le=1e12)
    per_trade: Fraction = 0.025
    day_loss: Fraction = 0.05
    day_drawdown: Fraction = 0.075
    account_drawdown: Fraction = 0.20
    kill: Fraction = 0.30
    floor: Fraction = 0.70
    """No entry while min(session-start cash, cash) is below this share."""
    pause_losses: Positive = 3
    pause_min: Positive = 15
    long_pause_losses: Positive = 5
    long_pause_min: Positive = 30

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.pause_losses > self.long_pause_losses:
            raise ValueError("pause_losses is above long_pause_losses")
        return self


class SimulationSettings(Section):
    """How orders fill; the mode stands in every report."""

    mode: Literal["realistic", "conservative", "optimistic"] = "realistic"
    latency_bars: NotNegative = 0
    slippage_ticks: NotNegative = 1
    cost_multiple: float = Field(default=1.0, ge=0, le=1000)


class GateSettings(Section):
    """Thresholds of the gate's checks; strict on purpose."""

    sharpe: float = 1.0
    calmar: float = 0.5
    profit_factor: float = 1.2
    folds: Positive = 12
    trades_per_fold: Positive = 100
    profitable_folds: Fraction = 0.60
    accuracy: Fraction = 0.52
    drawdown: Fraction = 0.20
    calibration_error: Fraction = 0.03
    quarantined: Fraction = 0.03
    coverage: Fraction = 0.99
    parity: float = 1e-6
    inference_ms: float = 10.0
    bootstrap: Positive = 2000
    audit_rows: int = Field(default=2 * MOST, gt=0, le=1000 * MOST)
    """Bars that the look-ahead audit streams and labels anew; of a lane that has more, sessions drawn by the seed."""
    seed: Seed = 1


class Lane(BaseSettings):
    """One lane, from its data to its verdict; a YAML file of config/."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="SCALPER_LANE__", env_nested_delimiter="__", populate_by_name=True
    )

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    symbol: str
    execution_symbol: str | None = None
    source: Literal["databento", "import", "sandbox"]
    interval: Literal["1s", "5s", "15s", "1m", "5m", "15m", "1h"]
    """A vendor's 5s, 15s, 5m and 15m bars are made of its 1s and 1m ones; so are imported ones that are not there."""
    start: date
    end: date | None = None
    hours: Literal["regular", "all"] = "regular"
    roll: RollRule = "monday"
    sandbox: SandboxSettings = SandboxSettings()
    databento: DatabentoSettings = DatabentoSettings()
    quality: QualitySettings = QualitySettings()
    features: FeatureSettings = FeatureSettings()
    labels: LabelSettings = LabelSettings()
    describe: DescribeSettings = DescribeSettings()
    folds: FoldSettings = FoldSettings()
    model: ModelSettings = ModelSettings()
    search: SearchSettings = SearchSettings()
    policy: PolicySettings = PolicySettings()
    risk: RiskSettings = RiskSettings()
    simulation: SimulationSettings = SimulationSettings()
    gate: GateSettings = GateSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError("end is not after start")
        if not 1990 <= self.start.year <= (self.end or self.start).year <= 2100:
            raise ValueError("start and end lie between 1990 and 2100")
        if self.source != "import":
            self.databento.schema_for(self.interval)
        for name in self.features.higher:
            if name not in INTERVALS and not name.endswith("m"):
                raise ValueError(f"features.higher: unknown interval {name}; write minutes, such as 5m or 15m")
        most = SESSION_NS // self.interval_ns
        if self.labels.horizon > most:
            raise ValueError(f"labels.horizon: {self.labels.horizon} bars are longer than a session; at most {most}")
        return self

    @property
    def interval_ns(self) -> int:
        """Length of a bar in nanoseconds."""
        return INTERVALS[self.interval]

    @property
    def source_key(self) -> str:
        """The `source=` of the lake; each simulated market has its own."""
        return f"sandbox-{self.sandbox.seed}-{self.sandbox.edge:g}" if self.source == "sandbox" else self.source

    @property
    def instrument(self) -> Instrument:
        """The product whose bars are read."""
        return instrument(self.symbol)

    @property
    def execution(self) -> Instrument:
        """The product that is traded."""
        return instrument(self.execution_symbol or self.symbol)

    @property
    def hold_bars(self) -> int:
        """Bars after the entry's fill at which a position is closed by time."""
        return self.policy.hold_bars or self.labels.horizon

    def timetable(self, session: Session) -> np.ndarray:
        """The times of a session by this lane's rules, (1,) of TIMETABLE."""
        end = self.policy.end_of_day
        return timetable(
            session,
            interval_ns=self.interval_ns,
            flat=end.flat,
            before_stop_min=end.before_stop_min,
            half_size_min=end.half_size_min,
            no_entry_min=end.no_entry_min,
            exit_min=end.exit_min,
            latency_bars=self.simulation.latency_bars,
            regular_only=self.hours == "regular",
        )

    def digest(self, *sections: str) -> str:
        """SHA-256 over the whole configuration, or over the named sections only."""
        document = self.model_dump(mode="json", by_alias=True)
        chosen = {key: document[key] for key in sections} if sections else document
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over `.env` over what was read from YAML (passed as init)."""
        return env_settings, dotenv_settings, init_settings


class Environment(BaseSettings):
    """What a machine knows and a lane does not: where things live, and secrets."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    scalper_home: Path = REPOSITORY
    scalper_lake: str | None = None
    """A folder or s3://bucket/prefix for the lake, instead of <SCALPER_HOME>/data_lake."""
    databento_api_key: SecretStr | None = None
    databento_gateway: str | None = None
    """Address of another historical gateway, such as the loopback one of the sandbox."""


class Home(Section):
    """The folders that the program writes."""

    root: Path
    lake_address: str | None = None
    """Where the lake is if not below the root."""

    @property
    def lake(self) -> Path | str:
        """Bars, features, labels, predictions and raw downloads: a folder, or the address of a bucket."""
        if self.lake_address is None:
            return self.root / "data_lake"
        return self.lake_address if "://" in self.lake_address else Path(self.lake_address).expanduser().resolve()

    @property
    def mlruns(self) -> Path:
        """MLflow's database and artefacts."""
        return self.root / "mlruns"

    @property
    def state(self) -> Path:
        """Ledgers, models, bundles, journals and the hold-out record."""
        return self.root / "state"


def home(root: Path | None = None) -> Home:
    """The folders below a root, by default SCALPER_HOME's (else the repository); the lake where SCALPER_LAKE says."""
    found = Environment()
    return Home(root=(root or found.scalper_home).expanduser().resolve(), lake_address=found.scalper_lake or None)


def _where(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"]) or "(the whole file)"


def _remedy(error: Any) -> str:
    """A sentence for one of pydantic's errors, with the nearest known key where a key is unknown."""
    if error["type"] == "missing":
        return "missing; add it"
    if error["type"] != "extra_forbidden":
        said, found = error["msg"].removeprefix("Value error, "), repr(error["input"])
        whole = isinstance(error["input"], dict | BaseModel)  # a section, whose contradiction the sentence tells
        return said if whole else f"{said} (found {found[:60]}{'…' if len(found) > 60 else ''})"
    model: Any = Lane
    for part in error["loc"][:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = field.annotation if field is not None else None
    known = [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]
    near = difflib.get_close_matches(str(error["loc"][-1]), known, 1)
    return "unknown key" + (f"; did you mean `{near[0]}`?" if near else f"; known keys: {', '.join(known)}")


def _override(document: dict[str, Any], dotted: str, value: object) -> None:
    """Put a value at `section.key`; an empty section is made, one that is no mapping is left for the validation."""
    *sections, key = dotted.split(".")
    for section in sections:
        inner: object = document.get(section) or {}
        if not isinstance(inner, dict):
            return
        document[section] = inner
        document = cast(dict[str, Any], inner)
    document[key] = value


class _Unique(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises ConstructorError naming the key that is there twice."""
        keys = [one.value for one, _ in node.value if isinstance(one, yaml.ScalarNode)]
        if twice := sorted({one for one in keys if keys.count(one) > 1} - {"<<"}):
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _known_variables() -> None:
    """Raise BadInput for a variable SCALPER_LANE__… whose first key no lane has."""
    for name in os.environ:
        if name.upper().startswith("SCALPER_LANE__"):
            key = name.upper().removeprefix("SCALPER_LANE__").split("__")[0].lower()
            if key not in Lane.model_fields:
                raise BadInput(f"variable {name}: unknown key `{key}`; known keys: {', '.join(Lane.model_fields)}")


def _read(path: Path) -> dict[str, Any]:
    """The mapping that a lane's file holds. Raises BadInput."""
    try:
        document: object = yaml.load(path.read_text(), _Unique)
    except FileNotFoundError:
        here = ", ".join(sorted(str(found) for found in Path("config").glob("*.yaml"))) or "none in config/"
        raise BadInput(f"{path}: no such lane file; lanes here: {here}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); give the path of a lane's YAML file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not YAML: {error}; mend the line it names") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in cast(dict[object, object], document)):
        raise BadInput(f"{path}: a lane is a mapping of keys to values; see config/demo.yaml")
    return cast(dict[str, Any], document)


def load_lane(path: Path, **overrides: object) -> Lane:
    """Read a lane from YAML, with overrides (`{"sandbox.seed": 3}`) and the environment on top.

    Raises BadInput naming file and key: unknown key, wrong value, a contradiction, a product without costs.
    """
    _known_variables()
    document = _read(path)
    for dotted, value in overrides.items():
        _override(document, dotted, value)
    try:
        lane = Lane(**document)
    except ValidationError as error:
        lines = "; ".join(f"key `{_where(one)}`: {_remedy(one)}" for one in error.errors())
        raise BadInput(f"{path}: {lines}") from None
    except SettingsError as error:
        raise BadInput(f"{path}: a variable SCALPER_LANE__…: {error}; write lists and mappings as JSON") from None
    _refuse_unknown(path, "symbol", lane.symbol, instrument)
    if lane.source == "sandbox" and lane.end is None:
        raise BadInput(f"{path}: key `end`: a simulated market has an end; give the last session")
    traded = lane.execution_symbol or lane.symbol
    _refuse_unknown(path, "execution_symbol", traded, costs_of)
    if traded.removeprefix("M") != lane.symbol.removeprefix("M"):
        why = f"{traded} is another market than {lane.symbol}; trade {lane.symbol} or its micro"
        raise BadInput(f"{path}: key `execution_symbol`: {why}")
    return lane


def _refuse_unknown(path: Path, key: str, symbol: str, known: Callable[[str], object]) -> None:
    try:
        known(symbol)
    except BadInput as error:
        raise BadInput(f"{path}: key `{key}`: {error}") from None
