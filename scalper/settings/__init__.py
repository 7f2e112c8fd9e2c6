"""Settings: a lane's YAML, the environment, `.env`; every number of the specification with its default.

A later layer wins: YAML, then what a caller passes, then variables `SCALPER_LANE__<SECTION>__<KEY>`. Unknown keys are
errors.
Secrets are `SecretStr` and appear in no message, log, report or bundle.
"""

from scalper.settings.base import SESSION_NS, Section
from scalper.settings.data import DatabentoSettings, QualitySettings, SandboxSettings
from scalper.settings.features import (
    AmdSettings,
    ConfluenceSettings,
    FeatureSettings,
    Group,
    RegimeSettings,
    StructureSettings,
)
from scalper.settings.gate import GateSettings
from scalper.settings.home import REPOSITORY, Environment, Home, home
from scalper.settings.labels import Distance, LabelSettings, TargetDistance
from scalper.settings.lane import Lane
from scalper.settings.learning import DescribeSettings, FoldSettings, ModelSettings, Range, SearchSettings
from scalper.settings.load import load_lane, vary
from scalper.settings.trading import (
    Band,
    EndOfDay,
    FirmSettings,
    MarketSettings,
    MonteCarloSettings,
    PolicySettings,
    RiskSettings,
    SimulationSettings,
    StopSettings,
    Tier,
    TimeSize,
)

__all__ = [
    "REPOSITORY",
    "SESSION_NS",
    "AmdSettings",
    "Band",
    "ConfluenceSettings",
    "DatabentoSettings",
    "DescribeSettings",
    "Distance",
    "EndOfDay",
    "Environment",
    "FeatureSettings",
    "FirmSettings",
    "FoldSettings",
    "GateSettings",
    "Group",
    "Home",
    "LabelSettings",
    "Lane",
    "MarketSettings",
    "ModelSettings",
    "MonteCarloSettings",
    "PolicySettings",
    "QualitySettings",
    "Range",
    "RegimeSettings",
    "RiskSettings",
    "SandboxSettings",
    "SearchSettings",
    "Section",
    "SimulationSettings",
    "StopSettings",
    "StructureSettings",
    "TargetDistance",
    "Tier",
    "TimeSize",
    "home",
    "load_lane",
    "vary",
]
