"""The tables of docs/features.md, made from the catalogue: `python -m tests.features.document` writes them anew."""

from __future__ import annotations

import re
from itertools import groupby
from typing import get_args

from scalper.features import Feature, catalogue
from scalper.market import INTERVALS
from scalper.settings import REPOSITORY, FeatureSettings, Group

DOCUMENT = REPOSITORY / "docs" / "features.md"
EVERY = FeatureSettings(groups=get_args(Group))
"""All groups, with the default windows."""
HEAD = "| name | formula | unit | warm-up | memory | inputs | source |\n|---|---|---|---|---|---|---|\n"


def tables() -> dict[str, str]:
    """Group to its table, in a one-second lane."""
    rows = catalogue(EVERY, INTERVALS["1s"])
    return {name: HEAD + "".join(map(_row, members)) for name, members in groupby(rows, lambda one: one.group)}


def _row(one: Feature) -> str:
    memory = f"{one.kind}; NaN: {one.missing}" if one.missing else one.kind
    cells = (f"`{one.name}`", one.formula, one.unit, str(one.warm_up), memory, ", ".join(one.inputs), one.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def filled(text: str) -> str:
    """The document with the table of each group between its two comments."""
    for name, table in tables().items():
        place = re.compile(rf"(?<=<!-- table: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise LookupError(f"{DOCUMENT.name} has no place for the table of {name}")
        text = place.sub(lambda _, table=table: table, text, count=1)
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
