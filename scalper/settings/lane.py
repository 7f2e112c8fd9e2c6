"""One lane: its sections together, and what follows from them."""

from __future__ import annotations

import hashlib
import json
from datetime import date, time
from decimal import Decimal
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from scalper.market import INTERVALS, Instrument, RollRule, Session, instrument
from scalper.market.timetable import timetable
from scalper.settings.base import SESSION_NS
from scalper.settings.contradictions import contradictions
from scalper.settings.data import DatabentoSettings, QualitySettings, SandboxSettings
from scalper.settings.features import FeatureSettings
from scalper.settings.gate import GateSettings
from scalper.settings.labels import LabelSettings
from scalper.settings.learning import DescribeSettings, FoldSettings, ModelSettings, SearchSettings
from scalper.settings.trading import PolicySettings, RiskSettings, SimulationSettings

FIRM_FLAT: dict[str, time | None] = {"own": None, "topstep": time(16, 10), "apex": time(16, 59)}
"""When a firm wants nothing open any more, New York: Topstep's 15:10 Chicago, where clocks change on the same days."""


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
        if self.policy.stop.kind == "label" and self.labels.kind != "barrier":
            raise ValueError("policy.stop.kind: label needs labels.kind: barrier; these labels have no stop")
        if self.policy.stop.kind == "swing" and "structure" not in self.features.groups:
            raise ValueError("policy.stop.kind: swing needs the group structure in features.groups")
        if found := list(contradictions(self, FIRM_FLAT[self.risk.firm.profile])):
            raise ValueError("; ".join(found))
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
    def capital(self) -> float:
        """What the lane trades with: its share of the account's capital, in dollars, down to whole cents."""
        return int(Decimal(str(self.risk.capital)) * Decimal(str(self.risk.share)) * 100) / 100

    @property
    def exits_by_label(self) -> bool:
        """Whether stop and target of a trade are the label's barriers."""
        return self.labels.kind == "barrier" and self.policy.stop.kind in (None, "label")

    @property
    def hold_bars(self) -> int:
        """Bars after the entry's fill at which a position is closed by time."""
        return self.policy.hold_bars or self.labels.horizon

    def timetable(self, session: Session) -> np.ndarray:
        """The times of a session by this lane's rules and its firm's, (1,) of TIMETABLE."""
        end, firm = self.policy.end_of_day, FIRM_FLAT[self.risk.firm.profile]
        return timetable(
            session,
            interval_ns=self.interval_ns,
            flat=end.flat if firm is None else min(end.flat, firm),
            before_stop_min=end.before_stop_min,
            half_size_min=end.half_size_min,
            no_entry_min=end.no_entry_min,
            exit_min=end.exit_min,
            latency_bars=self.simulation.latency_bars,
            regular_only=self.hours == "regular",
            parts=[(one.from_, one.to, one.times) for one in self.policy.times],
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
