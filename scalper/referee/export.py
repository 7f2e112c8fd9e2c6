"""What a lane gives to NautilusTrader: its bars as a catalogue, and its policy as a strategy with a configuration.

The folder `out` gets `catalog/` (contracts, bars stamped with their ends, the open of each bar as a trade), `sessions/`
(for each session the arrays that the adapter trades from), `account.npy` and `strategy.yaml`: what Nautilus calls an
importable strategy configuration, whose strategy is the adapter. `start` runs it. In 2.0.0rc7 a BacktestNode takes no
fill model of one's own, so `start` drives a BacktestEngine; a node starts the strategy too, with Nautilus's own fills.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import yaml
from nautilus_trader.persistence import ParquetDataCatalog
from nautilus_trader.trading import ImportableStrategyConfig, StrategyConfig

from scalper.errors import BadInput
from scalper.files import write_bytes, write_json
from scalper.market import Instrument
from scalper.policy import ACCOUNT
from scalper.referee.adapter import Adapter
from scalper.referee.ledger import Row
from scalper.referee.plan import Plan
from scalper.referee.venue import SLIPS, Ticks, engine, futures_contract, opens
from scalper.referee.venue import bars as nautilus_bars

CATALOG, SESSIONS, ACCOUNT_FILE, STRATEGY, TRADES = "catalog", "sessions", "account.npy", "strategy.yaml", "trades.json"


class Exported(StrategyConfig):
    """Configuration of a strategy: the folder of an exported lane, and the size of its tick in points."""

    folder: Path
    tick: Decimal

    def __new__(cls, *, folder: str, tick: str) -> Self:
        made = super().__new__(cls)
        made.folder, made.tick = Path(folder), Decimal(tick)
        return made

    def __init__(self, *, folder: str, tick: str) -> None:
        """Nothing is left to do; Nautilus's own part has its defaults."""


class Configured(Adapter):
    """The adapter, begun from a configuration; when it is stopped it leaves its trades in the folder."""

    def __init__(self, config: Exported) -> None:
        super().__init__(config)
        self._folder = config.folder
        self.begin(_plans(config.folder), Ticks(config.tick), SLIPS, _account(config.folder))

    def on_stop(self) -> None:
        """Book the last fills and write the trades."""
        if self.failure is None:
            self.finish()
            write_json(self._folder / TRADES, [asdict(row) for row in self.ledger.rows])


def _plans(folder: Path) -> list[Plan]:
    found = [Plan.load(path) for path in sorted((folder / SESSIONS).glob("*.npz"))]
    if not found:
        raise BadInput(f"{folder / SESSIONS}: no session to trade; export the lane again")
    return found


def _account(folder: Path) -> np.ndarray:
    path = folder / ACCOUNT_FILE
    try:
        found = cast(np.ndarray, np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no account ({error}); export the lane again") from None
    if found.dtype != ACCOUNT:
        raise BadInput(f"{path}: an account of another version; export the lane again")
    return found


def export_bars(
    product: Instrument, sessions: Sequence[tuple[str, np.ndarray]], interval_ns: int, out: Path
) -> dict[str, int]:
    """Write sessions, in order, each (contract, bars (n,) BAR), into out/catalog; returns how many of what.

    The catalogue is written beside its place and renamed when it is whole; what a killed export left there goes.
    Raises BadInput for a catalogue that is there already: Nautilus's files must not overlap in time.
    """
    folder = out / CATALOG
    if folder.exists():
        raise BadInput(f"{folder}: is there already; remove it, or give another folder")
    contracts = sorted({contract for contract, _ in sessions})
    fresh = out / f".{CATALOG}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        catalog, ticks = ParquetDataCatalog(str(fresh)), Ticks(product.tick)
        catalog.write_instruments([futures_contract(product, one) for one in contracts])
        for contract in contracts:
            rows = np.concatenate([bars for held, bars in sessions if held == contract])
            catalog.write_bars(nautilus_bars(contract, rows, interval_ns, ticks, plenty=False))
            catalog.write_trade_ticks(opens(contract, rows, ticks, plenty=False))
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return {"contracts": len(contracts), "sessions": len(sessions), "bars": sum(bars.size for _, bars in sessions)}


def export_strategy(product: Instrument, plans: Sequence[Plan], account: np.ndarray, out: Path) -> Path:
    """Write sessions, the account (1,) they begin with, and the strategy's configuration, whose path is returned."""
    (out / SESSIONS).mkdir(parents=True, exist_ok=True)
    for plan in plans:
        plan.save(out / SESSIONS / f"{plan.date}.npz")
    np.save(out / ACCOUNT_FILE, account, allow_pickle=False)
    document = {
        "strategy_path": f"{__name__}:{Configured.__name__}",
        "config_path": f"{__name__}:{Exported.__name__}",
        "config": {"folder": str(out.resolve()), "tick": str(product.tick)},
    }
    write_bytes(out / STRATEGY, yaml.safe_dump(document, sort_keys=False).encode())
    return out / STRATEGY


def start(out: Path) -> list[Row]:
    """Start an exported strategy from its configuration, on the exported catalogue; returns its trades."""
    document: dict[str, Any] = yaml.safe_load((out / STRATEGY).read_text())
    plan, _ = _plans(out)[0], _account(out)
    catalog = ParquetDataCatalog(str(out / CATALOG))
    tape = [*catalog.query_bars(), *catalog.query_trade_ticks()]
    made = engine(catalog.instruments(), tape, SLIPS, plan.fee_cents)
    made.add_strategy_from_config(ImportableStrategyConfig(**document))
    made.run()
    made.dispose()
    return [Row(**one) for one in json.loads((out / TRADES).read_text())]
