"""Pieces of HTML and numbers as people read them; whatever comes from outside is escaped here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from html import escape
from typing import cast
from zoneinfo import ZoneInfo

ZONE = "America/New_York"


def card(title: str, lead: str, body: str, *, long: bool = False) -> str:
    """A section of the page; a `long` one may break across printed pages."""
    text = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return f'<section class="card{" long" if long else ""}"><h2>{escape(title)}</h2>{text}{body}</section>'


def plot(name: str) -> str:
    """The place of a picture; the page's script draws it."""
    return f'<div class="plot" id="{name}"></div>'


def none(text: str) -> str:
    """A sentence where there is nothing to show."""
    return f'<p class="none">{escape(text)}</p>'


def badge(label: str, value: str, kind: str = "") -> str:
    """A label and its value in a pill."""
    return f'<span class="badge {kind}">{escape(label)} <b>{escape(value)}</b></span>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numeric: set[int], *, raw: bool = False) -> str:
    """An HTML table; `raw` cells are markup already."""

    def line(tag: str, cells: Sequence[str], markup: bool) -> str:
        texts = cells if markup else [escape(text) for text in cells]
        return "".join(f"<{tag}{' class=n' if i in numeric else ''}>{text}</{tag}>" for i, text in enumerate(texts))

    body = "".join(f"<tr>{line('td', row, raw)}</tr>" for row in rows)
    head = f"<tr>{line('th', heads, False)}</tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def cell(name: str, value: object) -> str:
    """A value of the folds' table as markup; money columns get a sign, a colour and a dollar."""
    if isinstance(value, float) and any(word in name for word in ("net", "pnl", "gross")):
        return f'<span class="{"gain" if value >= 0 else "loss"}">{dollars(value)}</span>'
    return f'<span class="keep">{shown(value)}</span>' if isinstance(value, date) else shown(value)


def shown(value: object) -> str:
    """Any value as a person reads it, escaped."""
    match value:
        case None:
            return "—"
        case bool():
            return "yes" if value else "no"
        case float():
            return (
                ratio(value)
                if not value or math.isinf(value) or 0.001 <= abs(value) < 1e6
                else f"{value:.1e}".replace("-", "−")
            )
        case int():
            return f"{value:,}".replace("-", "−")
        case dict():
            entries = cast(dict[object, object], value).items()
            return "<br>".join(f"{escape(str(key))} {shown(one)}" for key, one in entries)
        case list() | tuple():
            return ", ".join(shown(one) for one in cast(Sequence[object], value))
        case _:
            return escape(str(value))


def ratio(value: float) -> str:
    """Two decimals, four for what is small; infinity as a sign."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = 2 if abs(value) >= 0.1 or value == 0 else 4
    return f"{value:,.{digits}f}".replace("-", "−")


def share(value: float) -> str:
    """A fraction as a percentage."""
    return "∞" if math.isinf(value) else f"{value:.1%}".replace("-", "−")


def count(number: int, noun: str) -> str:
    """A number of things: 1 session, 1,200 sessions."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """A time that has passed: 45 s, 12.5 min, 1.4 h."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def day(value: date | int) -> str:
    """A date, or the New York date of UTC nanoseconds: March 2, 2026."""
    found = value if isinstance(value, date) else datetime.fromtimestamp(value / 1e9, tz=ZoneInfo(ZONE))
    return f"{found:%B} {found.day}, {found.year}"


def script_safe(document: object) -> str:
    """JSON that may stand inside a script element; what is not a number is null."""

    def clean(node: object) -> object:
        match node:
            case dict():
                return {key: clean(one) for key, one in cast(dict[str, object], node).items()}
            case list() | tuple():
                return [clean(one) for one in cast(Sequence[object], node)]
            case float() if not math.isfinite(node):
                return None
            case _:
                return node

    text = json.dumps(clean(document), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def dollars(value: float) -> str:
    """Money as people write it, with a real minus: −$1,234.50; whole dollars from ten thousand up."""
    digits = 0 if abs(value) >= 10_000 else 2
    return f"{'−' if round(value, digits) < 0 else ''}${abs(value):,.{digits}f}"
