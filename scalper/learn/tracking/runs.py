"""A lane run in MLflow: its entry and those of its folds, nested below it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from scalper import clock
from scalper.files import write_bytes
from scalper.learn.tracking.store import PARENT, Store, experiment, local, opened
from scalper.settings import Home

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

PARAMS, METRICS = 100, 900
"""How many parameters and metrics go into one call; MLflow takes 100 and 1,000."""
KEY = "scalper.key"
"""Tag of a run: what it was made from. What was logged once is not logged again."""
Table = Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written about a run. Values that are not finite are left out, as MLflow has no place for them."""

    name: str
    description: str = ""
    """Markdown."""
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    """A value a step."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Artefacts, by their name."""
    tables: Mapping[str, Table] = field(default_factory=dict[str, Table])
    """Artefacts that MLflow shows as tables, by their name without .json."""


def log_run(home: Home, lane: str, entry: Entry, folds: Sequence[Entry] = (), *, key: str | None = None) -> str:
    """Write a run and its folds; returns its id. A run of the same `key` that was finished before is left as it is.

    A run is finished last: one that was cut off is marked as killed when the lane is next opened. Raises
    TrackingFailed.
    """
    with opened(home, lane) as store:
        place = experiment(store)
        if key is not None and (found := _finished(store, place, key)) is not None:
            return found
        parent = _write(store, place, entry, {} if key is None else {KEY: key})
        for fold in folds:
            store.client.set_terminated(_write(store, place, fold, {PARENT: parent}))
        store.client.set_terminated(parent)
        return parent


def flat(document: Mapping[str, object], before: str = "") -> dict[str, object]:
    """Nested mappings as one, with names such as `model.network.hidden`; lists stay what they are."""
    found: dict[str, object] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            found |= flat(cast(Mapping[str, object], value), f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def _finished(store: Store, place: str, key: str) -> str | None:
    """The run that was made from the same and came to its end."""
    wanted = f"tags.`{KEY}` = '{key}' AND attributes.status = 'FINISHED'"
    return next((run.info.run_id for run in store.client.search_runs([place], wanted)), None)


def _write(store: Store, place: str, entry: Entry, more: Mapping[str, str]) -> str:
    """A running run with all that its entry has; returns its id."""
    from mlflow.entities import Param

    shown = [{"path": f"{name}.json", "type": "table"} for name in entry.tables]
    tags = {"mlflow.source.name": "scalper", "mlflow.source.type": "LOCAL", **entry.tags, **more}
    tags |= {"mlflow.note.content": entry.description} if entry.description else {}
    tags |= {"mlflow.loggedArtifacts": json.dumps(shown)} if shown else {}
    info = store.client.create_run(place, run_name=entry.name, tags=tags).info
    folder = local(str(info.artifact_uri))
    tables = {f"{name}.json": _table(rows) for name, rows in entry.tables.items()}
    for name, content in {**entry.files, **tables}.items():
        write_bytes(folder / name, content, sync=False)
    params: list[Param] = [Param(_key(name), _text(value)) for name, value in entry.params.items()]
    points = [_metric(name, value) for name, value in entry.metrics.items() if math.isfinite(value)]
    for name, values in entry.curves.items():
        points += [_metric(name, value, step) for step, value in enumerate(values) if math.isfinite(value)]
    for start in range(0, len(params), PARAMS):
        store.client.log_batch(info.run_id, params=params[start : start + PARAMS])
    for start in range(0, len(points), METRICS):
        store.client.log_batch(info.run_id, metrics=points[start : start + METRICS])
    return info.run_id


def _metric(name: str, value: float, step: int = 0) -> Metric:
    from mlflow.entities import Metric

    return Metric(_key(name), float(value), clock.now_ns() // 1_000_000, step)


def _key(name: str) -> str:
    """A name in the characters that MLflow takes."""
    return re.sub(r"[^\w.\- :/]", "_", name)


def _text(value: object) -> str:
    return _masked(json.dumps(value, default=str) if isinstance(value, list | tuple) else str(value))


def _masked(text: str) -> str:
    """Without the passwords of addresses, such as a database's: they do not leave the configuration."""
    text = re.sub(r"(\w://[^\s/@:]*:)[^\s/]*@", r"\1***@", text)
    return re.sub(r"(?i)([?&;](?:password|passwd|pwd|token|secret)=)[^&;\s\"']*", r"\1***", text)


def _table(rows: Table) -> bytes:
    """Rows in the layout of MLflow's tables: the columns, and a list a row."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    document = {"columns": columns, "data": [[_cell(row.get(key)) for key in columns] for row in rows]}
    return json.dumps(document, default=str, allow_nan=False).encode()


def _cell(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _masked(value) if isinstance(value, str) else value
