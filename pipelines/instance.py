"""Where and how Dagster keeps its records: SQLite below `$DAGSTER_HOME/.dagster`, named in dagster.yaml.

Dagster resolves a relative path of dagster.yaml against the working directory; these classes resolve it against the
environment, so the webserver, the daemon, a run and the demo share one place wherever they were started.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

REPOSITORY = Path(__file__).resolve().parent.parent
# How many events of a run over many partitions Dagster hands to the storage at once; its default is one.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


def folder() -> str:
    """`.dagster` below DAGSTER_HOME (default: the repository root)."""
    return str(Path(os.environ.get("DAGSTER_HOME") or REPOSITORY).expanduser().resolve() / ".dagster")


class BatchedEventLog(SqliteEventLogStorage):
    """Dagster's event log, with a batch of events in one transaction a file instead of two an event.

    A run over 250 sessions of three assets leaves 1,500 events: a minute becomes two seconds.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()
        self._held: dict[str, Connection] = {}

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """The batch's connection to a file while a batch is stored, else one of its own."""
        with self._db_lock:
            if shard in self._held:
                yield self._held[shard]
            else:
                with super()._connect(shard) as connection:
                    yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store all events or none."""
        with self._db_lock, ExitStack() as stack:
            files = (INDEX_SHARD_NAME, *{event.run_id for event in events})
            opened = {name: stack.enter_context(super(BatchedEventLog, self)._connect(name)) for name in files}
            self._held = opened
            try:
                for event in events:
                    self.store_event(event)
            finally:
                self._held = {}


class HomeStorage(DagsterSqliteStorage):
    """Runs, events, schedules and sensors."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchedEventLog(str(Path(base_dir) / "history" / "runs"))

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
