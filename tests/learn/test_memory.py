"""Memory: what is there, what a training needs, and a clear refusal before it starts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bench import learn_rows
from bench.learn import alone
from scalper.errors import Refused
from scalper.lake import Lake
from scalper.learn import Dataset, Trained
from scalper.learn.estimators.xgboost import XGBoost
from scalper.learn.feed import Survey
from scalper.learn.memory import PROGRAM, available, require
from scalper.settings import ModelSettings

MIB = 1 << 20
GIB = 1 << 30


def _machine(root: Path, free: int, held: int = 0, groups: str = "") -> Path:
    """A machine's /proc, with so many bytes free and held by this process."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable: {free >> 10} kB\n")
    (root / "proc/self/status").write_text(f"Name:\tx\nVmHWM:\t9 kB\nVmRSS:\t{held >> 10} kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    return root


def _group(root: Path, name: str, files: dict[str, int | str]) -> None:
    (root / "sys/fs/cgroup" / name).mkdir(parents=True, exist_ok=True)
    for file, value in files.items():
        (root / "sys/fs/cgroup" / name / file).write_text(f"{value}\n")


def _survey(rows: int, missing: bool = False) -> Survey:
    day = date(2026, 1, 5)
    return Survey((rows, 0, 0), {day: rows}, (0, 0, 0), 1.0, {day: 1.0}, (), missing, {day: 0})


def test_what_the_process_holds_already_counts_as_there(tmp_path: Path) -> None:
    """Trainings side by side: what one has taken is not taken from the next one's share again."""
    assert available(_machine(tmp_path / "idle", 8 * GIB, 1 * GIB)) == 9 * GIB - PROGRAM
    assert available(_machine(tmp_path / "busy", 5 * GIB, 4 * GIB)) == 9 * GIB - PROGRAM
    assert available(_machine(tmp_path / "full", 0)) == 0


def test_the_control_group_limits_it(tmp_path: Path) -> None:
    root = _machine(tmp_path / "two", 64 * GIB, 0, "0::/slice/job\n")
    _group(root, "slice/job", {"memory.max": "max", "memory.current": 5})
    assert available(root) == 64 * GIB - PROGRAM
    stat = f"anon 7\ninactive_file {1 * GIB}\nactive_file 5"
    _group(root, "slice", {"memory.max": 8 * GIB, "memory.current": 3 * GIB, "memory.stat": stat})
    assert available(root) == 6 * GIB - PROGRAM
    old = _machine(tmp_path / "one", 64 * GIB, 0, "3:cpu,cpuacct:/a\n2:memory:/a/b\n0::/a/b\n")
    _group(old, "memory", {"memory.limit_in_bytes": 4 * GIB, "memory.usage_in_bytes": GIB, "memory.stat": ""})
    assert available(old) == 3 * GIB - PROGRAM


def test_a_system_that_does_not_tell_refuses_nothing(tmp_path: Path) -> None:
    assert available(tmp_path) is None
    assert require(XGBoost(), _survey(10**9), 60, ModelSettings(), "fold", tmp_path) > 100 * GIB


def test_this_machine_tells(tmp_path: Path) -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this system")
    found = available()
    assert found is not None
    assert found < 1 << 50


def test_a_training_that_does_not_fit_is_refused_with_figures_and_advice(tmp_path: Path) -> None:
    root = _machine(tmp_path, 2 * GIB)
    settings, rows = ModelSettings(every=2), _survey(6_000_000)
    with pytest.raises(Refused) as told:
        require(XGBoost(), rows, 60, settings, "lane x, fold 3", root)
    words = str(told.value)
    assert words.startswith("lane x, fold 3: training xgboost on 3,450,000 rows of 60 features needs up to ")
    assert "512 MiB is what the machine has for each of 2 side by side" in words
    for advice in ("model.threads", "model.memory: disk", "model.every above 2"):
        assert advice in words
    alone = settings.model_copy(update={"threads": 1})
    assert require(XGBoost(), rows, 60, alone, "fold", root) > 512 * MIB, "alone it has the whole"
    disk = ModelSettings(memory="disk", memory_mib=8)
    with pytest.raises(Refused, match=r"and 8 MiB is what model.memory_mib allows; raise model.every above 1 or"):
        require(XGBoost(), rows, 60, disk, "fold", root)
    assert require(XGBoost(), _survey(1000), 60, ModelSettings(memory_mib=4096), "fold", root) < 4096 * MIB


def test_the_limit_counts_for_one_training(tmp_path: Path) -> None:
    """memory_mib is exact: one byte less is refused."""
    need = XGBoost().needs_bytes(850_000, 150_000, 60, ModelSettings(), missing=False)
    enough = -(-need // MIB)
    for limit, fits in ((enough, True), (enough - 1, False)):
        settings = ModelSettings(memory_mib=limit)
        if fits:
            assert require(XGBoost(), _survey(1_000_000), 60, settings, "fold", tmp_path) == need
        else:
            with pytest.raises(Refused):
                require(XGBoost(), _survey(1_000_000), 60, settings, "fold", tmp_path)


def test_nothing_is_learned_by_a_training_that_is_refused(
    run: Callable[..., Trained], fit_rows: Dataset, later_rows: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=r"needs up to .* and 1 MiB is what model.memory_mib allows"):
        run(fit_rows, later_rows, ModelSettings(memory_mib=1))


COUNTS = st.integers(0, 10**8)


@examples(max_examples=100)
@given(COUNTS, COUNTS, st.integers(1, 500), st.booleans(), st.sampled_from(["ram", "disk"]), st.integers(1, 8))
def test_more_of_anything_needs_no_less(
    rows: int, watched: int, features: int, missing: bool, memory: Any, threads: int
) -> None:
    settings = ModelSettings(memory=memory, fold_threads=threads)

    def need(rows: int, watched: int, features: int, missing: bool, settings: ModelSettings = settings) -> int:
        return XGBoost().needs_bytes(rows, watched, features, settings, missing=missing)

    least = need(rows, watched, features, missing)
    assert least > 0
    for more in (
        need(rows + 1, watched, features, missing),
        need(rows, watched + 1, features, missing),
        need(rows, watched, features + 1, missing),
        need(rows, watched, features, True),
        need(rows, watched, features, missing, settings.model_copy(update={"fold_threads": threads + 1})),
        need(rows, watched, features, missing, settings.model_copy(update={"depth": 5})),
    ):
        assert more >= least


@pytest.mark.long
@pytest.mark.parametrize("missing", [0.0, 0.01])
@pytest.mark.parametrize("features", [20, 60])
def test_the_estimate_is_an_upper_one_and_not_far_away(tmp_path: Path, missing: float, features: int) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is measured through /proc")
    rows = 500_000
    learn_rows.write(Lake(tmp_path / "lake"), rows, features, missing)
    given = {"place": str(tmp_path / "lake"), "rows": rows, "features": features, "missing": missing > 0}
    for memory in ("ram", "disk"):
        told = alone("own", **given, memory=memory, threads=1, rounds=3)
        assert told["peak_mib_of_training"] <= told["needs_mib"] <= 1.3 * told["peak_mib_of_training"] + 40
