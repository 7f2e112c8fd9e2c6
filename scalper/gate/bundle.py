"""The bundle: one folder that is a go-live decision, named by its digest; the executor takes nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import polars as pl
import yaml
from pydantic import ValidationError

from scalper import features
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.gate import manifest
from scalper.gate.check import CannotEvaluate, Check, number
from scalper.gate.checks import REGISTRY
from scalper.gate.evidence import DIGESTS, Evidence
from scalper.gate.manifest import BESIDE, CONTENT, MANIFEST
from scalper.gate.verdict import Verdict, decide
from scalper.learn.digests import kernel_version, recipe_digest
from scalper.learn.model import Model
from scalper.learn.recipe import Recipe
from scalper.policy import Choice
from scalper.settings import Environment, Lane

NAME = 16
"""Digits of the digest that name the folder."""


def write_bundle(
    root: Path,
    *,
    recipe: Recipe,
    evidence: Evidence,
    verdict: Verdict,
    report: Callable[[Path], object] | None = None,
) -> Path:
    """Write root/<digest>/ whole or not at all, and return it.

    root: <home>/state/bundles/<lane>; `report` writes the page of the verdict to the path it is given. The same inputs
    give the same digest; a bundle that is there already is left as it is. Raises Refused if the model is not of this
    lane and kernel, if the verdict is not that of its checks, if a digest is missing, or if the folder is there and
    does not verify.
    """
    lane = evidence.lane
    _model(lane, recipe.model.content)
    if recipe.lane.digest() != lane.digest():
        raise Refused(f"lane {lane.name}: recipe and evidence are of different configurations; run the lane again")
    if wrong := _judged(verdict.as_dict()):
        raise Refused(f"lane {lane.name}: {'; '.join(wrong)}; evaluate the gate again")
    if missing := [name for name in DIGESTS if not evidence.digests.get(name)]:
        raise Refused(f"lane {lane.name}: the evidence lacks the digest of {', '.join(missing)}; run the lane again")
    fresh = root / f".bundle.{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        for name, content in _files(lane, recipe, verdict, evidence).items():
            (fresh / name).write_bytes(content)
        (fresh / "report.html").touch()
        if report is not None:
            report(fresh / "report.html")
        files = {name: (fresh / name).read_bytes() for name in (*CONTENT, *BESIDE)}
        _no_secret(files)
        papers = manifest.build(lane, verdict.verdict, verdict.stage, files, evidence.digests)
        (fresh / MANIFEST).write_text(json.dumps(papers, indent=1, sort_keys=True) + "\n")
        return _place(fresh, root / str(papers["digest"])[:NAME])
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _place(fresh: Path, folder: Path) -> Path:
    """Give the bundle its name; what has the same digest is recorded once. Raises Refused if that one is not whole."""
    if not folder.exists():
        fresh.rename(folder)
    elif wrong := verify_bundle(folder):
        raise Refused(f"{folder}: {'; '.join(wrong)}; delete the folder and run the gate again")
    return folder


def verify_bundle(path: Path) -> list[str]:
    """What is wrong with a bundle, a sentence each; nothing if it is as it was written and fits this program."""
    papers = manifest.read(path)
    if papers is None:
        return [f"{path} has no {MANIFEST} that can be read: it is no bundle"]
    if papers.get("format") != manifest.FORMAT:
        return [f"its format is {papers.get('format')}, this program reads {manifest.FORMAT}"]
    wrong = _bytes(path, papers)
    if wrong:
        return wrong  # what the files say means nothing until they are the ones that were written
    if papers.get("kernel") != kernel_version():
        wrong.append(f"it was made with feature kernel {papers.get('kernel')}, this program has {kernel_version()}")
    try:
        lane = _lane(path)
        _model(lane, (path / "model.onnx").read_bytes())
        _choice(path)
        judged = _document(path / "checks.json")
    except (BadInput, Refused) as error:
        return [*wrong, str(error)]
    if papers.get("lane") != lane.name or papers.get("configuration") != lane.digest():
        wrong.append(
            f"lane.yaml gives lane {lane.name} with another configuration than its manifest: a variable "
            "SCALPER_LANE__… of the environment may change it, or another version of this program reads it"
        )
    if papers["digests"].get("recipe") != recipe_digest(lane):
        wrong.append("its decisions were judged with other code than this program's; run the lane again")
    wrong += _judged(judged)
    for key in ("verdict", "stage"):
        if judged.get(key) != papers.get(key):
            wrong.append(f"its manifest says {key} {papers.get(key)}, its checks say {judged.get(key)}")
    return wrong


def show_bundle(path: Path) -> dict[str, Any]:
    """What a person wants to know of a bundle. Raises DataUnavailable if there is none at `path`."""
    papers = manifest.read(path)
    if papers is None:
        raise DataUnavailable(f"{path}: no bundle there; `scalper gate` writes them")
    problems = verify_bundle(path)
    shown = {
        key: papers.get(key)
        for key in ("lane", "verdict", "stage", "digest", "kernel", "digests", "packages", "python")
    }
    for key, name in (("choice", "choice.json"), ("checks", "checks.json"), ("measured", "measured.json")):
        try:
            shown[key] = json.loads((path / name).read_bytes())
        except (OSError, ValueError):
            shown[key] = None
    document = cast(dict[str, Any], shown.pop("checks") or {})
    shown |= {"checks": document.get("checks", []), "reasons": document.get("reasons", [])}
    return shown | {
        "path": str(path),
        "files": sorted(_digests(papers, "files") | _digests(papers, "beside")),
        "problems": problems,
    }


def load_recipe(path: Path, *, any_verdict: bool = False) -> Recipe:
    """The recipe of a bundle that verifies. Raises Refused if it does not, or if its verdict is not GO.

    `any_verdict`: a replay may run a NO-GO bundle too, as it trades nothing.
    """
    if problems := verify_bundle(path):
        raise Refused(f"bundle {path} does not verify: {'; '.join(problems)}; run the lane again for a new one")
    papers = manifest.read(path) or {}
    if papers["verdict"] != "GO" and not any_verdict:
        reasons = cast(list[str], _document(path / "checks.json").get("reasons") or [""])
        raise Refused(f"bundle {path} is a {papers['verdict']}: {reasons[0]} Only a GO bundle may trade")
    lane = _lane(path)
    model = _model(lane, (path / "model.onnx").read_bytes())
    return Recipe(lane, model, _choice(path))


def _files(lane: Lane, recipe: Recipe, verdict: Verdict, evidence: Evidence) -> dict[str, bytes]:
    """Every file but the report, as bytes that depend on nothing but the inputs."""
    measured = {rule.id for rule in REGISTRY if rule.measured}
    here = [one.as_dict() for one in verdict.checks if one.id in measured]
    steady = decide([_steady(one) if one.id in measured else one for one in verdict.checks], verdict.stage)
    judged = {key: value for key, value in steady.as_dict().items() if key not in ("bundle", "seconds")}
    document = yaml.safe_dump(lane.model_dump(mode="json", by_alias=True), sort_keys=True, allow_unicode=True)
    return {
        "model.onnx": recipe.model.content,
        "lane.yaml": document.encode(),
        "choice.json": manifest.canonical(recipe.choice.numbers()) + b"\n",
        "checks.json": manifest.canonical(judged) + b"\n",
        "trades.parquet": _parquet(evidence.trades),
        "daily.parquet": _parquet(evidence.daily),
        "measured.json": manifest.canonical({"checks": here, "seconds": dict(verdict.seconds)}) + b"\n",
    }


def _steady(check: Check) -> Check:
    """A check without the figures that differ from run to run."""
    said = {"PASS": "Measured, and within the threshold", "FAIL": "Measured, and beyond the threshold"}
    detail = said.get(check.status, "Cannot be evaluated, so it fails")
    return replace(check, value=None, figures={}, detail=f"{detail}; the figures of the machine are in measured.json.")


def _parquet(frame: pl.DataFrame) -> bytes:
    held = BytesIO()
    frame.write_parquet(held, compression="lz4", statistics=False)
    return held.getvalue()


def _no_secret(files: Mapping[str, bytes]) -> None:
    """Raise Refused if a secret of the environment stands in a file: configuration has none, so this cannot be."""
    found = Environment().databento_api_key
    secret = found.get_secret_value().encode() if found is not None else b""
    if secret and (named := [name for name, content in files.items() if secret in content]):
        raise Refused(f"a secret of the environment stands in {', '.join(named)}: no bundle is written; take it out")


def _bytes(path: Path, papers: Mapping[str, Any]) -> list[str]:
    """Files that are changed, missing or too many, and a manifest or a folder name that is not that of the content."""
    files, beside = _digests(papers, "files"), _digests(papers, "beside")
    wrong = [f"{name} is missing" for name in (*CONTENT, *BESIDE) if not (path / name).is_file()]
    if (sorted(files), sorted(beside)) != (sorted(CONTENT), sorted(BESIDE)):
        wrong.append(f"{MANIFEST} lists other files than a bundle has")
    present = {found.relative_to(path).as_posix() for found in path.rglob("*")}
    wrong += [f"{name} does not belong there" for name in sorted(present - {*CONTENT, *BESIDE, MANIFEST})]
    for name, digest in sorted((files | beside).items()):
        if (path / name).is_file() and manifest.sha256((path / name).read_bytes()) != digest:
            wrong.append(f"{name} was changed: its digest is not that of the manifest")
    own = manifest.digest(papers)
    if papers.get("digest") != own or path.resolve().name != own[:NAME]:
        wrong.append(f"{MANIFEST} was changed, or the folder renamed: its digest is {own[:NAME]}")
    return wrong


def _digests(papers: Mapping[str, Any], part: str) -> dict[str, str]:
    found: object = papers.get(part)
    return cast(dict[str, str], found) if isinstance(found, dict) else {}


def _lane(path: Path) -> Lane:
    """The lane of a bundle. Raises BadInput if this program cannot read it."""
    try:
        return Lane(**yaml.safe_load((path / "lane.yaml").read_bytes()))
    except (ValidationError, yaml.YAMLError, TypeError) as error:
        raise BadInput(f"{path / 'lane.yaml'}: this program cannot read it ({str(error).splitlines()[0]})") from None


def _choice(path: Path) -> Choice:
    """The choice of a bundle. Raises BadInput if it is not three numbers."""
    found = _document(path / "choice.json")
    try:
        numbers: dict[str, Any] = {key: number(found, key) for key in found}
        return Choice(**numbers)
    except (TypeError, CannotEvaluate) as error:
        raise BadInput(f"{path / 'choice.json'}: not the choice of a search ({error}); run the lane again") from None


def _document(path: Path) -> dict[str, Any]:
    """A JSON mapping. Raises BadInput if the file holds none."""
    try:
        found: object = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: no JSON mapping; run the lane again")
    return cast(dict[str, Any], found)


def _model(lane: Lane, onnx: bytes) -> Model:
    """The model, held against lane, features and kernel. Raises Refused with the difference."""
    names = [one.name for one in features.catalogue(lane.features, lane.interval_ns)]
    return Model.load(onnx, expect_features=names, expect_kernel=kernel_version(), expect_lane=lane.name)


def _judged(document: Mapping[str, Any]) -> list[str]:
    """What does not fit together in a verdict and its checks: all of the registry, and all PASS exactly for GO."""
    checks = cast(Sequence[Mapping[str, Any]], document.get("checks") or [])
    wrong: list[str] = []
    if [one.get("id") for one in checks] != [rule.id for rule in REGISTRY]:
        wrong.append("its checks are not the gate's checks, each once and in order")
    failed = [str(one.get("id")) for one in checks if one.get("status") != "PASS"]
    if (document.get("verdict") == "GO") != (not failed and bool(checks)):
        said = f"{', '.join(failed)} did not pass" if failed else "every check passed"
        wrong.append(f"its verdict is {document.get('verdict')}, but {said}")
    return wrong
