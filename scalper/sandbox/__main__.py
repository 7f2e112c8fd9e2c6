"""`python -m scalper.sandbox`: a simulated market served as Databento until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from datetime import date
from types import FrameType

from scalper.errors import BadInput
from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.dbn import KINDS
from scalper.sandbox.faults import EXPLAINED, Faults
from scalper.sandbox.market import SimulatedMarket


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: stop.set()


def _dates(text: str) -> list[date]:
    return [date.fromisoformat(part) for part in text.split(",") if part]


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:16s}{what}" for name, what in EXPLAINED.items()]
    parser = argparse.ArgumentParser(
        prog="python -m scalper.sandbox",
        description=__doc__,
        epilog="\n".join([f"schemas: {', '.join(KINDS)}", "faults:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--symbol", default="MES", help="product to simulate")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--edge", type=float, default=1.0, help="0: nothing to find")
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first session, YYYY-MM-DD")
    parser.add_argument("--end", type=date.fromisoformat, required=True, help="last session, YYYY-MM-DD")
    wrong = parser.add_argument_group("faults")
    wrong.add_argument("--faults", default="", help="comma list, served in turn to data requests: 429,504,cut,…")
    wrong.add_argument("--every", type=int, default=1, help="only each K-th data request meets one")
    wrong.add_argument("--repeat", action="store_true", help="begin again after the last")
    wrong.add_argument("--degraded", type=_dates, default=[], help="UTC days, YYYY-MM-DD,…")
    wrong.add_argument("--missing", type=_dates, default=[], help="UTC days without data")
    wrong.add_argument("--pending", type=_dates, default=[], help="UTC days not yet there")
    wrong.add_argument("--limit", type=int, default=None, help="requests a second, 429 beyond")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, serve, wait."""
    args = _parser().parse_args(argv)
    try:
        faults = Faults(
            [name for name in args.faults.split(",") if name],
            args.every,
            repeat=args.repeat,
            degraded=args.degraded,
            missing=args.missing,
            pending=args.pending,
            limit_per_second=args.limit,
        )
        market = SimulatedMarket(args.symbol, args.seed, args.edge, start=args.start, end=args.end)
        return _serve(DatabentoServer(market, port=args.port, faults=faults), market)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 3


def _serve(server: DatabentoServer, market: SimulatedMarket) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _setter(stop))
    with server:
        print(
            f"url {server.url}\nkey {server.key}\n{len(market.sessions)} sessions of {market.symbol}, {market.source}"
        )
        print("Ctrl-C ends it", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
