"""The registry: a registered model a lane, a version a training, and the versions that have a name.

A version is opened by scalper's own Model, which holds its papers against lane and kernel; never by MLflow's loaders.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from scalper import clock
from scalper.compiled import source_digest
from scalper.errors import DataUnavailable, Refused
from scalper.learn.digests import kernel_version
from scalper.learn.model import Model
from scalper.learn.tracking.flavour import save
from scalper.learn.tracking.store import Store, exists, experiment, local, opened
from scalper.settings import REPOSITORY, Home

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CANDIDATE, CHAMPION, PREVIOUS = "candidate", "champion", "previous"
MADE = ("window", "data", "kernel", "recipe", "code", "git_commit", "trials", "trials_head", "dagster_run", "onnx")
"""Tags that say what a version was made from: what the first registration says of them stays."""
PROMOTIONS = "promotions"
"""Tag of a version: its promotions and what followed them, a paragraph each; its description ends with them."""
ABOUT = (
    "A version is a training of this lane. **candidate**: the newest that the gate gave a GO. **champion**: the one "
    "that a person promoted. **previous**: the champion before, to go back to. `scalper promote` moves them; nothing "
    "promotes itself. Open a version with scalper, which checks its papers."
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a lane's model."""

    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created_ns: int
    run: str | None
    """The MLflow run that it came from."""
    description: str

    def as_dict(self) -> dict[str, Any]:
        """As `scalper models --json` prints it."""
        return {
            "version": self.number,
            "aliases": list(self.aliases),
            "created": clock.iso(self.created_ns),
            "run": self.run,
            "tags": dict(sorted(self.tags.items())),
        }


def register(
    home: Home,
    lane_name: str,
    model: bytes,
    tags: Mapping[str, str],
    run: str | None = None,
    *,
    example: Mapping[str, float] | None = None,
    description: str = "",
) -> int:
    """Register a model, without an alias; returns its version. The same bytes are the same version.

    tags: lineage that only the caller knows, such as recipe, trials, verdict; digest, data, kernel, window, features,
    code and git commit are added here. Of a version that is there, what it was made from (MADE) stays as it is, and the
    other tags are brought up to date. run: the MLflow run that made it. example: a row of features by name.
    Raises Refused for a model of another lane, BadInput for no model, TrackingFailed.
    """
    opened_model = Model.load(model, expect_lane=lane_name)
    tags = _lineage(opened_model) | {key: value for key, value in tags.items() if value}
    with opened(home, lane_name) as store:
        _registered(store)
        if (there := _of(store, opened_model.digest)) is not None:
            fresh = {key: one for key, one in tags.items() if key not in MADE or key not in there.tags}
            for key, value in fresh.items():
                store.client.set_model_version_tag(lane_name, there.version, key, value)
            if description:
                words = _words(description, {**there.tags, **fresh})
                store.client.update_model_version(lane_name, there.version, description=words)
            return int(there.version)
        place = experiment(store)
        for cut in store.client.search_logged_models([place]):
            if cut.status == "PENDING":  # of a process that died
                store.client.finalize_logged_model(cut.model_id, "FAILED")
        logged = store.client.create_logged_model(place, lane_name, run, tags, model_type="onnx")
        save(opened_model, local(str(logged.artifact_location)), example)
        store.client.finalize_logged_model(logged.model_id, "READY")
        made = store.client.create_model_version(
            lane_name, str(logged.artifact_location), run, tags, description=_words(description, tags)
        )
        _linked(store, logged.model_id, int(made.version), run)
        return int(made.version)


def versions(home: Home, lane_name: str) -> list[Version]:
    """Every version of a lane's model, newest first."""
    if not exists(home):
        return []
    with opened(home, lane_name) as store:
        return _versions(store)


def champion(home: Home, lane_name: str) -> tuple[int, bytes] | None:
    """The version that a person promoted, and its ONNX bytes. Raises what `loaded` raises."""
    return _named(home, lane_name, CHAMPION)


def candidate(home: Home, lane_name: str) -> tuple[int, bytes] | None:
    """The newest version that may be promoted. Raises what `loaded` raises."""
    return _named(home, lane_name, CANDIDATE)


def previous(home: Home, lane_name: str) -> tuple[int, bytes] | None:
    """The champion before this one. Raises what `loaded` raises."""
    return _named(home, lane_name, PREVIOUS)


def loaded(store: Store, number: int) -> Model:
    """A version's model, held against its digest, the lane and this program's kernel.

    Raises DataUnavailable if there is no such version or its file is gone, Refused if it does not fit, BadInput if the
    file cannot be read.
    """
    one = found(store, number)
    path = local(str(one.source)) / "model.onnx"
    where = f"version {number} of {store.lane} ({path})"
    if not path.is_file():
        raise DataUnavailable(f"{where}: the file is gone; run the lane again, which registers its model anew")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != one.tags.get("onnx"):
        raise Refused(f"{where}: the file is not the one that was registered; restore it from a copy")
    return Model.load(content, expect_lane=store.lane, expect_kernel=kernel_version())


def found(store: Store, number: int) -> ModelVersion:
    """MLflow's own record of a version. Raises DataUnavailable naming the versions that there are."""
    there = {int(one.version): one for one in _search(store)}
    if number not in there:
        known = ", ".join(map(str, sorted(there))) or "none"
        raise DataUnavailable(f"lane {store.lane}: there is no version {number} in the registry, only {known}")
    return there[number]


def aliases(store: Store) -> dict[str, int]:
    """The versions that have a name."""
    known = store.client.search_registered_models(f"name = '{store.lane}'")
    named: dict[str, str] = cast(Any, known[0]).aliases if known else {}
    return {name: int(number) for name, number in named.items()}


def _named(home: Home, lane_name: str, alias: str) -> tuple[int, bytes] | None:
    if not exists(home):
        return None
    with opened(home, lane_name) as store:
        number = aliases(store).get(alias)
        return None if number is None else (number, loaded(store, number).content)


def _registered(store: Store) -> None:
    """Make the registered model of a lane that has none."""
    if not store.client.search_registered_models(f"name = '{store.lane}'"):
        store.client.create_registered_model(store.lane, description=ABOUT)


def _search(store: Store) -> Iterable[ModelVersion]:
    return store.client.search_model_versions(f"name = '{store.lane}'", max_results=10_000)


def _of(store: Store, digest: str) -> ModelVersion | None:
    """The version whose model has this digest."""
    return next((one for one in _search(store) if one.tags.get("onnx") == digest), None)


def _versions(store: Store) -> list[Version]:
    named: dict[int, list[str]] = {}
    for name, number in aliases(store).items():
        named.setdefault(number, []).append(name)
    every = (
        Version(
            int(one.version),
            tuple(sorted(named.get(int(one.version), ()))),
            dict(one.tags),
            int(one.creation_timestamp) * 1_000_000,
            one.run_id or None,
            one.description or "",
        )
        for one in _search(store)
    )
    return sorted(every, key=lambda one: -one.number)


def _linked(store: Store, model_id: str, number: int, run: str | None) -> None:
    """Let MLflow's pages lead from the logged model to its version, and from the run to the model."""
    from mlflow.entities import LoggedModelOutput

    named = json.dumps([{"name": store.lane, "version": number}])
    store.client.set_logged_model_tags(model_id, {"mlflow.modelVersions": named})
    if run is not None:
        store.client.log_outputs(run, [LoggedModelOutput(model_id, 0)])


def _lineage(model: Model) -> dict[str, str]:
    """What a model's papers and this program know of what it was made from."""
    papers = model.papers
    known = {
        "onnx": model.digest,
        "data": papers.data_digest,
        "kernel": papers.kernel_version,
        "window": " to ".join(papers.window),
        "features": str(len(papers.features)),
        "code": source_digest(),
        "git_commit": commit(),
    }
    return {key: value for key, value in known.items() if value}


@cache
def commit() -> str:
    """The git commit of this program, with a + where files differ from it; nothing where it is in no git."""
    if not (REPOSITORY / ".git").exists():
        return ""
    asked = ("git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
    try:
        still = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}  # to ask writes nothing
        said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10, env=still)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def _words(about: str, tags: Mapping[str, str]) -> str:
    """A version's description in markdown: what it is about, what it was made from, who promoted it."""
    made = "\n".join(f"| {key} | {tags[key]} |" for key in MADE if key in tags)
    return "\n\n".join(filter(None, (about, f"| made from | |\n|---|---|\n{made}", tags.get(PROMOTIONS, ""))))
