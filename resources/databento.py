"""Where a lane's bars are downloaded from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
from pydantic import Field, SecretStr

from scalper.lane import calendar
from scalper.settings import Environment, Lane


@dataclass(frozen=True, slots=True)
class Gateway:
    """An address and the key that opens it; None stands for Databento's own address."""

    url: str | None
    key: SecretStr | None


class DatabentoResource(dg.ConfigurableResource):
    """Databento's historical gateway; for a sandbox lane a server of the simulated market on loopback.

    The key is read from the environment when it is needed, so that no secret reaches Dagster's records.
    """

    gateway: str = Field(default="", description="Another historical gateway; empty: DATABENTO_GATEWAY, or Databento.")

    @contextmanager
    def open(self, lane: Lane) -> Iterator[Gateway]:
        """The lane's gateway while the context is open."""
        if lane.source == "sandbox":
            with _sandbox(lane) as gateway:
                yield gateway
        else:
            known = Environment()
            yield Gateway(self.gateway or known.databento_gateway, known.databento_api_key)


@contextmanager
def _sandbox(lane: Lane) -> Iterator[Gateway]:
    """A server of the lane's simulated market, which needs no key of yours."""
    from scalper.sandbox.databento import DatabentoServer
    from scalper.sandbox.market import SimulatedMarket

    every = calendar(lane)
    end = lane.end or every[-1].date
    market = SimulatedMarket(lane.symbol, lane.sandbox.seed, lane.sandbox.edge, start=lane.start, end=end)
    with DatabentoServer(market) as server:
        yield Gateway(server.url, SecretStr(server.key))
