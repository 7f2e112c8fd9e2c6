"""How an executor is started: verified, ticketed, in a process of its own, and seen alive."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from scalper import clock
from scalper.errors import Refused, ScalperError
from scalper.files import write_json
from scalper.gate.bundle import verify_bundle
from scalper.live.desk import Desk, read_json
from scalper.settings import REPOSITORY, Home

POLL_S = 0.1
LOG_LINES = 5


@dataclass(frozen=True, slots=True)
class Launch:
    """An executor that was seen alive: its ticket, its first heartbeat and where it writes."""

    ticket: dict[str, Any]
    heartbeat: dict[str, Any]
    log: Path


def ticket_path(home: Home, lane: str) -> Path:
    """The newest launch ticket of a lane."""
    return home.state / "live" / f"{lane}.ticket.json"


def ticket(home: Home, lane: str) -> dict[str, Any] | None:
    """The newest launch ticket, None if the lane was never launched."""
    return read_json(ticket_path(home, lane))


class ExecutorResource(dg.ConfigurableResource):
    """Starts the executor of a lane on paper. Real money has no way to be started from here.

    The process is its own session leader and holds its own lock, limits and kill switch: it outlives this run, and
    ending the run, the webserver or the daemon does not end it.
    """

    feed: str = Field(default="replay:last", description="What the executor is fed, as `scalper live --feed` takes it.")
    patience_s: float = Field(default=60.0, description="Seconds to wait for the first heartbeat.")

    def launch(self, home: Home, lane: str, bundle: Path, run_id: str) -> Launch:
        """Verify the bundle, write the ticket, start the process, wait for its heartbeat.

        Raises Refused for a bundle that does not verify, ScalperError if the process ends or stays silent.
        """
        self._verify(bundle)
        written = {
            "lane": lane,
            "bundle": str(bundle),
            "broker": "sim",
            "mode": "paper",
            "feed": self.feed,
            "run": run_id,
            "at": clock.iso(clock.now_ns()),
        }
        write_json(ticket_path(home, lane), written)
        log = home.state / "live" / f"{lane}.log"
        process = self._start(home, bundle, log)
        return Launch(written, self._wait(process, Desk(home, lane), log), log)

    def _verify(self, bundle: Path) -> None:
        if wrong := verify_bundle(bundle):
            raise Refused(f"{bundle}: {'; '.join(wrong)}; run the gate again")

    def _start(self, home: Home, bundle: Path, log: Path) -> subprocess.Popen[bytes]:
        command = ["live", "--bundle", str(bundle), "--broker", "sim", "--mode", "paper", "--feed", self.feed, "--json"]
        surroundings = os.environ | {"SCALPER_HOME": str(home.root)}
        with log.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "scalper.cli", *command],
                cwd=REPOSITORY,
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, process: subprocess.Popen[bytes], desk: Desk, log: Path) -> dict[str, Any]:
        """The first heartbeat of this very process."""
        began = clock.monotonic()
        while clock.monotonic() - began < self.patience_s:
            beat = read_json(desk.heartbeat)
            if beat is not None and beat.get("pid") == process.pid:
                return beat
            if process.poll() is not None:
                said = " / ".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                raise ScalperError(f"the executor ended with code {process.returncode} before a heartbeat: {said}")
            clock.sleep(POLL_S)
        raise ScalperError(f"process {process.pid} gave no heartbeat in {self.patience_s:g} s; see {log}, then end it")
