"""A simulated market, and servers on loopback that speak for it as the vendors do.

Here live the market's constants, plan, path, contracts and ticks, and Databento's historical API over HTTP with faults
on request. For the demo, for
tests and for people who try things; no floor of the lane imports it. Not here: how a vendor's data is read (lake/).
"""

from __future__ import annotations

from scalper.sandbox.databento import DatabentoServer
from scalper.sandbox.faults import Faults
from scalper.sandbox.market import SimulatedMarket
from scalper.sandbox.shape import MarketShape

__all__ = ["DatabentoServer", "Faults", "MarketShape", "SimulatedMarket"]
