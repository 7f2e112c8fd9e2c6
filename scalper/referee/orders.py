"""The adapter's orders at the venue: market orders, and for each part of a position a stop and a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nautilus_trader.model as nt
from nautilus_trader.core import UUID4

from scalper.policy import Reason, Role
from scalper.referee.venue import Ticks


@dataclass(frozen=True, slots=True)
class Sent:
    """What the fill of an order will be to the policy."""

    role: int
    reason: int


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of the position, and the orders that rest for it; the one that fills cancels the other."""

    contracts: int
    stop: nt.ClientOrderId
    target: nt.ClientOrderId


class Orders:
    """Sends and changes the orders of a strategy in one contract; prices are ticks, sides +1 and -1."""

    def __init__(self, strategy: Any, name: nt.InstrumentId, ticks: Ticks) -> None:
        self._strategy, self._name, self._ticks = strategy, name, ticks
        self._sent: dict[str, Sent] = {}
        self._legs: list[Leg] = []

    def sent(self, order: nt.ClientOrderId) -> Sent:
        """What an order was sent for."""
        return self._sent[str(order)]

    def market(self, side: int, contracts: int, role: int, reason: int) -> None:
        """Buy or sell at the market."""
        order = self._strategy.order_factory.market(self._name, _way(side), nt.Quantity.from_int(contracts))
        self._sent[str(order.client_order_id)] = Sent(role, reason)
        self._strategy.submit_order(order)

    def protect(self, side: int, stop: int, parts: tuple[tuple[int, int], ...]) -> None:
        """Rest a stop and a target for each part (contracts, target) of a position."""
        for contracts, target in parts:
            if contracts == 0:
                continue
            leg = Leg(contracts, *(self._strategy.order_factory.generate_client_order_id() for _ in range(2)))
            self._sent[str(leg.stop)] = Sent(Role.EXIT, Reason.STOP)
            self._sent[str(leg.target)] = Sent(Role.EXIT, Reason.TARGET)
            self._legs.append(leg)
            self._strategy.submit_order_list(self._pair(leg, side, stop, target))

    def _pair(self, leg: Leg, side: int, stop: int, target: int) -> list[Any]:
        desk = self._strategy
        size, closing, good = nt.Quantity.from_int(leg.contracts), _way(-side), nt.TimeInForce.GTC
        group, now = desk.order_factory.generate_order_list_id(), desk.clock.timestamp_ns()
        head = (desk.trader_id, desk.strategy_id, self._name)
        both: dict[str, Any] = {"contingency_type": nt.ContingencyType.OCO, "order_list_id": group}
        level, last = self._ticks.price(stop), nt.TriggerType.LAST_PRICE
        stops = nt.StopMarketOrder(
            *(*head, leg.stop, closing, size, level, last, good, False, False, UUID4(), now),
            linked_order_ids=[leg.target],
            **both,
        )
        limit = nt.LimitOrder(
            *(*head, leg.target, closing, size, self._ticks.price(target), good, False, False, False, UUID4(), now),
            linked_order_ids=[leg.stop],
            **both,
        )
        return [stops, limit]

    def _resting(self) -> list[Leg]:
        return [leg for leg in self._legs if self._strategy.cache.order(leg.stop).is_open]

    def move(self, stop: int) -> None:
        """Move what stops rest."""
        for leg in self._resting():
            self._strategy.modify_order(leg.stop, trigger_price=self._ticks.price(stop))

    def cancel(self) -> None:
        """Take off what rests."""
        for leg in self._resting():
            self._strategy.cancel_order(leg.stop)
            self._strategy.cancel_order(leg.target)
        self._legs.clear()


def _way(side: int) -> nt.OrderSide:
    return nt.OrderSide.BUY if side > 0 else nt.OrderSide.SELL
