"""Live: the executor that trades a bundle, its feeds and brokers, and what supervises it.

Here live the bar-by-bar loop, the journal, the account that survives restarts, lock, heartbeat, halt and preflight, and
the replay that proves that all this decides as the simulation does. Not here: what to decide (policy/), how a
simulated order fills (simulate/), whether a bundle may trade at all (gate/).
"""

from __future__ import annotations

from scalper.live.broker import NoBroker, SimBroker
from scalper.live.desk import account_of, change_account, halt, resume, status
from scalper.live.executor import Executor
from scalper.live.feed import ReplayFeed, open_feed, session_before, stored_day
from scalper.live.journal import Journal, read_journal
from scalper.live.preflight import Preflight, Result
from scalper.live.protocols import Broker, Feed, Mode, Position
from scalper.live.replay import ReplayReport, replay
from scalper.live.report import SessionReport
from scalper.live.run import preflight_bundle, run_bundle, run_session

__all__ = [
    "Broker",
    "Executor",
    "Feed",
    "Journal",
    "Mode",
    "NoBroker",
    "Position",
    "Preflight",
    "ReplayFeed",
    "ReplayReport",
    "Result",
    "SessionReport",
    "SimBroker",
    "account_of",
    "change_account",
    "halt",
    "open_feed",
    "preflight_bundle",
    "read_journal",
    "replay",
    "resume",
    "run_bundle",
    "run_session",
    "session_before",
    "status",
    "stored_day",
]
