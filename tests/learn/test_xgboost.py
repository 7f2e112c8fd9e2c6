"""XGBoost as an estimator: what it learns is XGBoost's own, and a killed training takes the same path."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from scalper.errors import BadInput
from scalper.learn.estimators import Checkpoint, Target, conformance
from scalper.learn.estimators.trees import Trees
from scalper.learn.estimators.xgboost import BINS, XGBoost
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings

SETTINGS = conformance.SETTINGS.model_copy(update={"rounds": 12, "checkpoint_rounds": 4})
WHOLE = SETTINGS.model_copy(update={"checkpoint_rounds": 12})


def _fit(settings: ModelSettings = SETTINGS, target: Target | None = None, **changes: Any) -> Trees:
    rows = {"learn": Feed.of(conformance.market()), "watch": Feed.of(conformance.market(3, seed=1)), "seed": 1}
    rows |= changes
    return XGBoost().fit(target or Target(), rows["learn"], rows["watch"], settings, **_rest(rows))


def _rest(rows: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rows.items() if name not in ("learn", "watch")}


def _raw(fitted: Trees) -> bytes:
    return bytes(fitted.booster.save_raw())


@pytest.mark.parametrize("kind", ["classes", "move", "size"])
def test_it_is_what_xgboost_itself_learns(kind: Any) -> None:
    """Of one segment: the same numbers as xgboost.train on a table of all rows."""
    target, rows, late = Target(kind), conformance.market(), conformance.market(3, seed=1)
    found = _fit(WHOLE, target)
    mean = np.float32(target.of(rows).mean(dtype=np.float64)) if kind != "classes" else 0
    learn = xgboost.QuantileDMatrix(rows.x, label=target.of(rows) - mean, max_bin=BINS, nthread=1)
    watch = xgboost.QuantileDMatrix(late.x, label=target.of(late) - mean, ref=learn, max_bin=BINS, nthread=1)
    named = {"objective": "reg:squarederror"} if mean else {"objective": "multi:softprob", "num_class": 3}
    seen: dict[str, Any] = {}
    plain = xgboost.train(
        named | {
            "base_score": 0, "max_depth": 2, "eta": SETTINGS.learning_rate, "min_child_weight": 1, "subsample": 0.7,
            "colsample_bytree": 0.6, "seed": 1, "nthread": 1, "max_bin": BINS, "tree_method": "hist",
        },
        learn, 12, evals=[(watch, "tail")], evals_result=seen, early_stopping_rounds=4, verbose_eval=False,
    )  # fmt: skip
    assert next(iter(seen["tail"].values())) == found.curves["tail"]
    expected = plain.predict(xgboost.DMatrix(late.x), output_margin=True).reshape(len(late), -1) + mean
    assert np.abs(found.raw(late.x) - expected).max() < 1e-6


def test_segments_draw_other_rows_and_columns() -> None:
    """Each segment has a seed of its own: otherwise round 4 would draw what round 0 drew."""
    settings = SETTINGS.model_copy(update={"colsample": 0.2, "rounds": 24, "checkpoint_rounds": 1})
    rows = conformance.market()
    noise = replace(rows, label=np.random.default_rng(0).integers(0, 3, len(rows)).astype(np.int8))
    trees = _fit(settings, learn=Feed.of(noise), watch=None).booster.get_dump()
    drawn = [set(re.findall(r"\[f(\d+)<", tree)) for tree in trees]
    assert all(len(one) <= 1 for one in drawn)
    assert len({next(iter(one)) for one in drawn if one}) == conformance.FEATURES


def test_seed_segments_and_rows_make_another_model() -> None:
    plain = _raw(_fit())
    assert plain == _raw(_fit())
    assert plain != _raw(_fit(seed=2))
    assert plain != _raw(_fit(SETTINGS.model_copy(update={"checkpoint_rounds": 3})))
    assert plain != _raw(_fit(learn=Feed.of(conformance.market(seed=9))))


@pytest.mark.parametrize("rounds", [1, 3, 4, 12])
def test_without_a_watch_all_rounds_are_kept(rounds: int) -> None:
    found = _fit(SETTINGS.model_copy(update={"rounds": rounds}), watch=None)
    assert found.rounds == len(found.curves["train"]) == rounds


def test_early_stopping_goes_on_across_segments() -> None:
    """Noise stops after its best round and `early_stopping` more, wherever the segments end."""
    rows = conformance.market()
    noise = replace(rows, label=np.random.default_rng(0).integers(0, 3, len(rows)).astype(np.int8))
    for step in (1, 2, 3, 5, 50):
        settings = SETTINGS.model_copy(update={"rounds": 60, "checkpoint_rounds": step})
        found = _fit(settings, learn=Feed.of(noise))
        losses = found.curves["tail"]
        assert found.rounds == int(np.argmin(losses)) + 1 == len(losses) - settings.early_stopping < 40


def test_on_disk_it_learns_the_same_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    disk = SETTINGS.model_copy(update={"memory": "disk"})
    kept = Checkpoint(tmp_path / "here" / "kept", "rows")
    (tmp_path / "here" / "kept.rows").mkdir(parents=True)
    (tmp_path / "here" / "kept.rows" / "learn-0.ellpack.page").write_bytes(b"of a killed one")
    found = _fit(disk, checkpoint=kept)
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["kept"]
    assert _raw(found) == _raw(_fit(disk))
    assert found.curves["tail"] == pytest.approx(_fit().curves["tail"], rel=1e-3)
    with pytest.raises(BadInput, match="feature_2 is infinite"):
        _fit(disk, learn=_infinite())
    with pytest.raises(BadInput, match="feature_2 is infinite"):
        _fit(disk, learn=_infinite(), checkpoint=Checkpoint(tmp_path / "here" / "other", "rows"))
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["kept"]


def _infinite() -> Feed:
    rows = conformance.market()
    x = rows.x.copy()
    x[-3, 2] = np.inf
    return Feed.of(replace(rows, x=x))


def test_rows_that_cannot_be_learned_from_are_told() -> None:
    with pytest.raises(BadInput, match="feature_2 is infinite"):
        _fit(learn=_infinite())
    rows = conformance.market()
    still = replace(rows, volatility_ticks=np.zeros(len(rows), np.float32))
    for learn, target in ((still.rows(slice(0, 0)), Target()), (still, Target("move"))):
        with pytest.raises(BadInput, match="no row has the target"):
            _fit(learn=Feed.of(learn), target=target)
    unwatched = _fit(target=Target("size"), watch=Feed.of(still))
    assert set(unwatched.curves) == {"train"}


def test_weights_teach_and_what_stops_it_ignores_uniqueness() -> None:
    rows, late = conformance.market(), conformance.market(3, seed=1)
    weighing = Target(weights="uniqueness", mean_weight=float(rows.weight.mean(dtype=np.float64)))
    plain, weighed = _fit(), _fit(target=weighing)
    assert _raw(plain) != _raw(weighed)
    heavy = replace(late, weight=late.weight * np.arange(len(late), dtype=np.float32))
    assert _fit(target=weighing, watch=Feed.of(heavy)).curves == weighed.curves
    rare = Target(class_weights=(5.0, 1.0, 1.0))
    assert _fit(target=rare).raw(late.x)[:, 0].mean() > plain.raw(late.x)[:, 0].mean()
    assert _fit(target=rare).curves != plain.curves
    move = Target("move", "uniqueness", weighing.mean_weight)
    assert _raw(_fit(target=move)) != _raw(_fit(target=Target("move")))


def test_importance_is_gain_and_contributions() -> None:
    fitted, x = _fit(), conformance.market(2, seed=4).x
    found = fitted.importance(x)
    assert set(found) == {"gain", "shap"}
    assert all(values.argmax() == 0 for values in found.values())
    own: Any = fitted.booster.predict(xgboost.DMatrix(x), pred_contribs=True)
    assert np.allclose(found["shap"], np.abs(own[:, :, :-1]).mean(axis=(0, 1)))
    assert found["gain"][1] == pytest.approx(fitted.booster.get_score(importance_type="gain")["f1"])
    move = _fit(target=Target("move")).importance(x)
    assert move["shap"].shape == move["gain"].shape == (conformance.FEATURES,)


def test_threads_are_those_of_the_settings() -> None:
    fitted = _fit(SETTINGS.model_copy(update={"fold_threads": 2}))
    told = json.loads(fitted.booster.save_config())["learner"]["generic_param"]
    assert told["nthread"] == "2"


# --------------------------------------------------------------------- killed

CHAIN = """
import json, os, random, signal, sys
from pathlib import Path
import xgboost  # before the forks, which then begin at once
from scalper import clock
from scalper.learn.estimators import Checkpoint, Target, conformance
from scalper.learn.estimators.xgboost import XGBoost
from scalper.learn.feed import Feed
from scalper.settings import ModelSettings
folder, settings = Path(sys.argv[1]), ModelSettings.model_validate_json(sys.argv[2])
wanted, draw = int(sys.argv[3]), random.Random(1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])

def train(checkpoint, into):
    rows = Feed.of(conformance.market(20, 100)), Feed.of(conformance.market(4, 100, seed=1))
    fitted = XGBoost().fit(Target(), *rows, settings, seed=1, checkpoint=checkpoint)
    into.write_bytes(bytes(fitted.booster.save_raw()))

def run(checkpoint, into, seconds=None):
    # in a process of its own, killed after so many seconds; whether it was
    child = os.fork()
    if child == 0:
        train(checkpoint, into)
        os._exit(0)
    if seconds is not None and signal.sigtimedwait([signal.SIGCHLD], seconds) is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    signal.sigtimedwait([signal.SIGCHLD], 0)
    return os.WIFSIGNALED(status)

started = clock.monotonic()
run(None, folder / "whole")
seconds, kills, resumed, number = clock.monotonic() - started, 0, 0, 0
while kills < wanted:
    number += 1
    checkpoint = Checkpoint(folder / f"kept{number}", "rows")
    for _ in range(3):
        if not run(checkpoint, folder / f"end{number}", draw.uniform(0.05, 0.95) * seconds):
            break
        kills += 1
    resumed += checkpoint.path.exists()
    run(checkpoint, folder / f"end{number}")
print(json.dumps({"kills": kills, "resumed": resumed, "trainings": number}))
"""
LONGER = SETTINGS.model_copy(update={"rounds": 80, "checkpoint_rounds": 4, "early_stopping": 500, "depth": 4})


def _chain(folder: Path, settings: ModelSettings, kills: int) -> None:
    """Trainings that are killed up to three times each at random moments and called again, `kills` in all."""
    words = [sys.executable, "-c", CHAIN, str(folder), settings.model_dump_json(by_alias=True), str(kills)]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["kills"] >= kills
    assert told["resumed"] > 0, "no kill came after the first save"
    whole = (folder / "whole").read_bytes()
    assert all((folder / f"end{number + 1}").read_bytes() == whole for number in range(told["trainings"]))
    assert not list(folder.glob("*.rows")), "what a killed one left is removed by the next"


@pytest.mark.long
def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    _chain(tmp_path, LONGER, 2)


@pytest.mark.long
@pytest.mark.parametrize("memory", ["ram", "disk"])
def test_twenty_kills_at_random_moments(tmp_path: Path, memory: str) -> None:
    _chain(tmp_path, LONGER.model_copy(update={"memory": memory}), 20)
