"""MLflow's database and artefacts below a home, for one process at a time; and what goes wrong with them, in words."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlparse

from scalper.errors import TrackingFailed
from scalper.settings import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE, OURS = "mlflow.db", "/mlruns/artifacts"
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow's tables keep the absolute addresses of artefacts."""
PARENT = "mlflow.parentRunId"
KIND = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "A lane. Each run is one run of the lane to its verdict, with its folds nested.",
}
"""So that MLflow shows the pages of trainings, not those of language models."""


@dataclass(frozen=True, slots=True)
class Store:
    """The database of a home, opened for a lane. While it is open no other process writes there."""

    client: MlflowClient
    lane: str
    root: Path


def exists(home: Home) -> bool:
    """Whether anything was ever recorded below this home."""
    return (home.mlruns / DATABASE).is_file()


@contextmanager
def opened(home: Home, lane: str) -> Generator[Store]:
    """The database of a home, made when it is not there. Others wait until it is closed.

    Raises TrackingFailed for what the machine or MLflow refuses, in here and in the caller's block.
    """
    # MLflow would otherwise report its use to its makers
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    root = home.mlruns.resolve()
    with _told(home), _locked(root):
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        address = f"sqlite:///{root / DATABASE}"
        store = Store(MlflowClient(tracking_uri=address, registry_uri=address), lane, root)
        _move(store)
        yield store


def experiment(store: Store) -> str:
    """The id of the lane's experiment, made when it is not there; its artefacts lie in <mlruns>/artifacts/<lane>.

    What is found half written was left by a process that died, as the lock was free: runs are marked as killed.
    """
    client, found = store.client, store.client.get_experiment_by_name(store.lane)
    if found is None:
        unused = client.get_experiment_by_name("Default")  # MLflow's own, which everybody would see first
        if unused is not None and unused.lifecycle_stage == "active":
            client.delete_experiment(unused.experiment_id)
        return client.create_experiment(store.lane, artifact_location=f"{_artifacts(store)}/{store.lane}", tags=KIND)
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    for run in client.search_runs([found.experiment_id], "attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, status="KILLED")
    return str(found.experiment_id)


def local(address: str) -> Path:
    """The folder of an artefact's file:// address."""
    return Path(unquote(urlparse(address).path))


def _artifacts(store: Store) -> str:
    return (store.root / "artifacts").as_uri()


def _move(store: Store) -> None:
    """A home that was moved or copied: addresses of artefacts follow, or it would go on writing into the old one."""
    now = _artifacts(store)
    every = cast(Any, store.client).search_experiments(view_type=3)  # deleted ones too
    for one in every:
        was = str(one.artifact_location).removesuffix(f"/{one.name}")
        if was == now or not was.endswith(OURS):
            continue
        with closing(sqlite3.connect(store.root / DATABASE)) as connection, connection:
            for table, column in ADDRESSES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (now, len(was) + 1, len(was) + 1, f"{was}/"),
                )


@contextmanager
def _locked(root: Path) -> Generator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _told(home: Home) -> Generator[None]:
    """What MLflow, its database and the disk refuse becomes a TrackingFailed that says what to do."""
    try:
        yield
    except _failures() as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = "make space, or mend the folder's permissions"
        if "not a database" in why or "malformed" in why:
            remedy = "the file is damaged: restore mlflow.db from a copy, or move the folder away and it is made anew"
        raise TrackingFailed(
            f"{home.mlruns}: MLflow cannot work there ({why}); {remedy}, and run the same command again"
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    """What can go wrong. Asked only when something has: MLflow's errors cannot be named without its import."""
    from alembic.util.exc import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return OSError, sqlite3.Error, CommandError, MlflowException, SQLAlchemyError
