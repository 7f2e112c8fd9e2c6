"""Features: one compiled step that turns a bar into a row, its catalogue, and the drivers for batch and stream.

Here: the kernel, its groups, the names and warm-ups of its columns, the context between sessions. Not here: labels,
files, models. How to add a column or a group: groups/__init__.py.
"""

from scalper.features.catalogue import catalogue, params
from scalper.features.core import Feature
from scalper.features.kernel import AUX, VERSION
from scalper.features.rows import Rows, RowScan
from scalper.features.session import Block, Stream, compute, context, fresh, restore

__all__ = [
    "AUX",
    "VERSION",
    "Block",
    "Feature",
    "RowScan",
    "Rows",
    "Stream",
    "catalogue",
    "compute",
    "context",
    "fresh",
    "params",
    "restore",
]
