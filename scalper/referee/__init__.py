"""The referee: the same predictions and policy in NautilusTrader, an engine that others wrote, trade by trade.

Here: the adapter strategy, the venue it trades at, the comparison, and what a lane gives to Nautilus. Only the modules
of this package import nautilus_trader, which is an optional extra; import them after `require`.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from scalper.errors import DataUnavailable

VERSION = "2.0.0rc7"
"""The version whose conventions are matched here; others fill differently."""

__all__ = ["VERSION", "require"]


def require() -> None:
    """Raise DataUnavailable with the command that installs the extra, unless NautilusTrader is there in our version."""
    try:
        found = version("nautilus_trader")
    except PackageNotFoundError:
        found = "not installed"
    if found != VERSION:
        raise DataUnavailable(
            f"the referee needs NautilusTrader {VERSION}, here it is {found}; in the project's folder run "
            "uv pip install --editable '.[referee]'"
        )
