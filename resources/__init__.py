"""What assets are given: where things lie, where data comes from, how an executor is started.

Here live thin holders of settings around scalper/, one a file. Not here: any work on data. A resource holds nothing
that an environment variable could not set, so a run in another process finds the same things.
"""

from resources.databento import DatabentoResource
from resources.executor import ExecutorResource
from resources.home import HomeResource

__all__ = ["DatabentoResource", "ExecutorResource", "HomeResource"]
