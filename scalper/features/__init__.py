"""Features: one compiled step that turns a bar into a row, its catalogue, and the drivers for batch and stream.

Here: the kernel, the names and warm-ups of its columns, the context between sessions. Not here: labels, files, models.
Adding a feature: one line in a `_write_…` function of kernel.py, one line in catalogue.py.
"""

from scalper.features.catalogue import Feature, catalogue, params
from scalper.features.kernel import VERSION
from scalper.features.session import Block, Stream, compute, context, fresh

__all__ = ["VERSION", "Block", "Feature", "Stream", "catalogue", "compute", "context", "fresh", "params"]
