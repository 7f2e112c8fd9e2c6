"""The folders that a lane writes."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from scalper.settings import Home, home


class HomeResource(dg.ConfigurableResource):
    """data_lake/, mlruns/ and state/ below one root; the lake elsewhere if SCALPER_LAKE says so."""

    root: str = Field(default="", description="Folder of data_lake/, mlruns/ and state/; empty: SCALPER_HOME.")

    def folders(self) -> Home:
        """The folders as scalper's functions take them."""
        return home(Path(self.root) if self.root else None)
