"""`python -m scalper.sandbox`: a simulated market served as Databento until interrupted."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable
from datetime import date
from types import FrameType

from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.market import SimulatedMarket


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: stop.set()


def main(argv: list[str] | None = None) -> int:
    """Parse, serve, wait."""
    parser = argparse.ArgumentParser(prog="python -m scalper.sandbox", description=__doc__)
    parser.add_argument("--symbol", default="MES", help="product to simulate")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--edge", type=float, default=1.0, help="0: nothing to find")
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first session, YYYY-MM-DD")
    parser.add_argument("--end", type=date.fromisoformat, required=True, help="last session, YYYY-MM-DD")
    args = parser.parse_args(argv)
    market = SimulatedMarket(args.symbol, args.seed, args.edge, start=args.start, end=args.end)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _setter(stop))
    with DatabentoServer(market, port=args.port) as server:
        print(
            f"url {server.url}\nkey {server.key}\n{len(market.sessions)} sessions of {market.symbol}, {market.source}"
        )
        print("Ctrl-C ends it", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
