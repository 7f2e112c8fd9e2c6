"""Where Dagster keeps its records: below `$DAGSTER_HOME/.dagster`, named in dagster.yaml.

Dagster resolves a relative path of dagster.yaml against the working directory; these three resolve it against the
environment, so the webserver, the daemon, a run and the demo share one place wherever they were started.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData


def folder() -> str:
    """`.dagster` below DAGSTER_HOME, without which Dagster reads no dagster.yaml."""
    return str(Path(os.environ["DAGSTER_HOME"]).expanduser().resolve() / ".dagster")


class HomeStorage(DagsterSqliteStorage):
    """Runs, events, schedules and sensors in SQLite."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Open the storage of this DAGSTER_HOME."""
        return cls.from_local(folder(), inst_data)


class HomeArtifacts(LocalArtifactStorage):
    """Files that Dagster itself writes for runs."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Open the artefacts of this DAGSTER_HOME."""
        return cls(folder(), inst_data)


class HomeComputeLogs(LocalComputeLogManager):
    """What a run printed."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Open the logs of this DAGSTER_HOME."""
        return cls(str(Path(folder()) / "logs"), inst_data=inst_data)
