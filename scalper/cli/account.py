"""Verbs on a lane's paper account: show it, clear a review, reset the kill switch, deposit, withdraw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scalper.cli.shared import Config, Json, load, show
from scalper.log import say, warn

if TYPE_CHECKING:
    from scalper.live.desk import Verb

app = typer.Typer(no_args_is_help=True, help="Show a lane's paper account, or change it while the lane does not run.")
Who = Annotated[str, typer.Option(help="The person who decides it; stands in the record.")]
Why = Annotated[str, typer.Option(help="The reason; stands in the record.")]
Amount = Annotated[str, typer.Option(help="Dollars, such as 250 or 250.50.")]


@app.command("show")
def show_account(config: Config, as_json: Json = False) -> None:
    """The account, how far it is from each limit that outlives a session, and what people changed."""
    from scalper.live import account_of
    from scalper.settings import home

    found = account_of(home(), load(config))

    def words() -> None:
        for key, value in found.items():
            if key not in ("limits", "changes"):
                say(f"{key}: {value}")
        for one in found["limits"]:
            say(f"{one['limit']}: ${one['value']:,.2f} of ${one['bound']:,.2f}{', FIRED' if one['fired'] else ''}")
        for one in found["changes"]:
            say(f"{one['at']} {one['what']} by {one['who']}: {one['why']}")

    show(found, as_json, words)


@app.command("clear-review")
def clear_review(config: Config, who: Who, why: Why, as_json: Json = False) -> None:
    """A review that has fired is over: the account's peak becomes its equity."""
    _change(config, "clear-review", who, why, as_json)


@app.command("reset-kill")
def reset_kill(config: Config, who: Who, why: Why, as_json: Json = False) -> None:
    """The kill switch is set back: the losses so far are forgiven, the limit counts anew."""
    _change(config, "reset-kill", who, why, as_json)


@app.command("deposit")
def deposit(config: Config, amount: Amount, who: Who, why: Why, as_json: Json = False) -> None:
    """Money is paid in."""
    _change(config, "deposit", who, why, as_json, amount)


@app.command("withdraw")
def withdraw(config: Config, amount: Amount, who: Who, why: Why, as_json: Json = False) -> None:
    """Money is paid out; refused if that would fire a limit."""
    _change(config, "withdraw", who, why, as_json, amount)


def _change(config: Config, verb: Verb, who: str, why: str, as_json: bool, amount: str = "0") -> None:
    from scalper.live import change_account
    from scalper.settings import home

    found: dict[str, Any] = change_account(home(), load(config), verb, who, why, _cents(amount))

    def words() -> None:
        say(f"{found['what']} by {found['who']}: {found['why']}")
        for key, both in found["moved"].items():
            was, now = (f"${one / 100:,.2f}" if key.endswith("_cents") else str(one) for one in both)
            say(f"  {key.removesuffix('_cents')}: {was} -> {now}")

    try:
        show(found, as_json, words)
    except (OSError, KeyboardInterrupt) as error:
        warn(f"{verb}: booked, do not make it again; only telling it failed ({str(error) or 'interrupted'})")


def _cents(amount: str) -> int:
    """Dollars as a person writes them, in cents."""
    if re.fullmatch(r"\d{1,12}(\.\d{1,2})?", amount) is None:
        raise typer.BadParameter(f"--amount {amount}: write dollars and cents above 0, such as 250 or 250.50")
    whole, _, part = amount.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))
