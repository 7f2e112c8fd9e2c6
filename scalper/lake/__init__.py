"""The lake: sessions as Parquet files, and the ways into it.

Here live session files with their schemas, atomic imports with manifests, the Databento client, the choice of a
session's contract, and the quality rules. Not here: what a session is (market/), and what is computed from bars.
Everything else reads bars through `read_session`; nothing outside writes bars but through `import_files` or `download`.
"""

from __future__ import annotations

from scalper.lake.databento.download import DownloadReport, download
from scalper.lake.databento.request import DownloadRequest
from scalper.lake.files.importing import ImportReport, import_files
from scalper.lake.quality.check import QualityReport, RuleResult, check_lake, check_sessions
from scalper.lake.series import SessionBars, contract_of, read_session
from scalper.lake.store import Keys, Lake, bar_keys

__all__ = [
    "DownloadReport",
    "DownloadRequest",
    "ImportReport",
    "Keys",
    "Lake",
    "QualityReport",
    "RuleResult",
    "SessionBars",
    "bar_keys",
    "check_lake",
    "check_sessions",
    "contract_of",
    "download",
    "import_files",
    "read_session",
]
