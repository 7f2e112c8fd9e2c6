"""What a machine knows and a lane does not: where things live, and secrets."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from scalper.settings.base import Section

REPOSITORY = Path(__file__).resolve().parents[2]


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
