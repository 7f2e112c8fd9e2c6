"""An import in a process of its own: `python -m bench.importing_alone FOLDER ZONE FILE…` prints its figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.importing_data import SECOND_NS, seconds_to_dbn, to_parquet
from bench.measure import peak_mib, timed
from scalper.lake import Lake, import_files

WARM = 1000


def measured(place: Path, tz: str | None, paths: Sequence[Path]) -> dict[str, Any]:
    """Best import of the files into an empty lake, and the most memory held; for a process of its own.

    A small import comes before, so that compiling and loading are outside the clock.
    """
    with TemporaryDirectory(dir=place) as folder:
        warm = Path(folder) / "warm.parquet"
        to_parquet(WARM, SECOND_NS, warm)
        import_files(Lake(Path(folder) / "warm"), [warm], symbol="ES")
        if paths[0].name.endswith(".dbn.zst"):
            seconds_to_dbn(WARM, Path(folder) / "warm.dbn.zst")
            import_files(Lake(Path(folder) / "dbn"), [Path(folder) / "warm.dbn.zst"], symbol="ES")
    kept = 0

    def work() -> None:
        nonlocal kept
        with TemporaryDirectory(dir=place) as folder:
            report = import_files(Lake(Path(folder) / "lake"), paths, symbol="ES", tz=tz)
        assert report.rows_read == report.rows_kept + sum(report.dropped.values())
        kept = report.rows_kept

    return {"seconds": round(timed(work), 4), "rows_kept": kept, "peak_mib": peak_mib()}


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), sys.argv[2] or None, [Path(one) for one in sys.argv[3:]])))
