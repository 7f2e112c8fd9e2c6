"""`python -m pipelines.demo`: the demo lane through Dagster, from simulated data to a verdict and a paper session.

Runs the lane's jobs in this process on the instance that `make ui` shows. What a killed demo has done stays done: run
it again. The last line of stdout is `verdict GO bundle PATH` or `verdict NO-GO bundle PATH`; both exit with 0.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from assets.stage import key
from pipelines.definitions import build_defs
from pipelines.jobs import STAGES, job_name
from pipelines.partitions import closed_keys, fold_partitions, span
from pipelines.sensors import DEMO_TAG
from scalper import clock
from scalper import lane as stages
from scalper.errors import ScalperError
from scalper.live.desk import status
from scalper.settings import REPOSITORY, Lane, home, load_lane

CONFIG = REPOSITORY / "config"
QUIET = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}
SESSION_S = 60.0
"""How long the demo waits for the paper session to end; it goes on without the demo."""


def main(arguments: list[str] | None = None) -> int:
    """The demo; the exit code is an error's own, 0 for a verdict of either kind."""
    given = _parser().parse_args(arguments)
    _surroundings(given.home)
    path = CONFIG / ("demo_null.yaml" if given.null else "demo.yaml")
    try:
        with Demo.open(path, given.seed) as demo:
            demo.run()
    except ScalperError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--null", action="store_true", help="the market without an edge: the gate must say NO-GO")
    parser.add_argument("--seed", type=int, help="another simulated market; default: the lane file's")
    parser.add_argument("--home", type=Path, help="folder for all that is written; default: SCALPER_HOME")
    return parser


def _surroundings(folder: Path | None) -> None:
    """Name the homes of scalper and Dagster where the environment does not."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["SCALPER_HOME"] = os.environ["DAGSTER_HOME"] = str(folder.resolve())
        shutil.copyfile(REPOSITORY / "dagster.yaml", folder / "dagster.yaml")
    os.environ.setdefault("DAGSTER_HOME", str(REPOSITORY))


class Demo:
    """One lane's jobs in this process."""

    def __init__(self, lane: Lane, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.lane, self.defs, self.instance = lane, defs, instance

    @classmethod
    @contextmanager
    def open(cls, path: Path, seed: int | None) -> "Iterator[Demo]":
        """The lane of a file on another seed, and Dagster's instance."""
        overrides: dict[str, Any] = {}
        if seed is not None:
            overrides["sandbox"] = load_lane(path).sandbox.model_dump() | {"seed": seed}
        lane = load_lane(path, **overrides)
        with dg.DagsterInstance.get() as instance:
            yield cls(lane, build_defs({path.stem: overrides}, path.parent), instance)

    def run(self) -> None:
        """The three jobs, the launch if the verdict is GO, and the last line."""
        began = clock.monotonic()
        self.close_orphans()
        sessions, folds = closed_keys(self.lane), list(fold_partitions(self.lane).get_partition_keys())
        self.job("sessions", f"{len(sessions)} sessions", span(sessions))
        self.job("folds", f"{len(folds) - 1} folds and the final recipe", span(folds))
        self.job("verdict", "simulation and gate")
        verdict = self.metadata("gate")
        if verdict["verdict"] == "GO":
            self.job("launch", "the executor, on paper")
            self.await_session(int(self.metadata("launch")["pid"]))
            print(f"replay {stages.replay(self.lane, home()).text()}", flush=True)
        else:
            print("launch: nothing starts on a NO-GO", flush=True)
        print(f"{clock.monotonic() - began:.0f} s in all; make ui shows every run, check and picture", flush=True)
        print(f"verdict {verdict['verdict']} bundle {verdict['bundle']}", flush=True)

    def job(self, part: str, words: str, tags: Mapping[str, str] | None = None) -> None:
        """Run one job to its end. Raises what a stage raised."""
        print(f"{part}: {words} ({', '.join(STAGES[part])}) …", flush=True)
        began = clock.monotonic()
        self.defs.resolve_job_def(job_name(self.lane, part)).execute_in_process(
            instance=self.instance, run_config=QUIET, tags={DEMO_TAG: str(os.getpid()), **(tags or {})}
        )
        print(f"{part}: {clock.monotonic() - began:.1f} s", flush=True)

    def metadata(self, stage: str) -> dict[str, Any]:
        """What the newest materialisation of a stage reported."""
        event = self.instance.get_latest_materialization_event(key(self.lane, stage))
        made = event.asset_materialization if event is not None else None
        return {name: one.value for name, one in made.metadata.items()} if made is not None else {}

    def await_session(self, pid: int) -> None:
        """Wait for the paper session's end, which this process does not control, and say what it came to."""
        began = clock.monotonic()
        while status(home(), self.lane.name)["pid"] == pid and clock.monotonic() - began < SESSION_S:
            clock.sleep(0.2)
        beat = status(home(), self.lane.name)["heartbeat"] or {}
        state = "is still running" if beat.get("running") else "has ended"
        figures = f"{beat.get('bars')} bars, {beat.get('trades')} trades, equity ${beat.get('equity'):,.2f}"
        print(f"paper session {beat.get('session')} {state}: {figures}", flush=True)

    def close_orphans(self) -> None:
        """Mark runs of a killed demo as failed: their process is gone, and the queue would wait for them."""
        started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
        for run in self.instance.get_runs(started):
            pid = run.tags.get(DEMO_TAG)
            if pid is not None and not alive(int(pid)):
                self.instance.report_run_failed(run, message="the demo's process is gone; run the demo again to go on")


def alive(pid: int) -> bool:
    """Whether a process with this id is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    raise SystemExit(main())
