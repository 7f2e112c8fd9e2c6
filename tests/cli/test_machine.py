"""What the machine refuses becomes one sentence and exit code 3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lake.support import a_session, as_parquet, rows_of


def test_a_limit_for_files_is_told_as_one(tmp_path: Path) -> None:
    path = as_parquet(rows_of(a_session()), tmp_path / "mes.parquet")
    command = [sys.executable, "-m", "scalper.cli", "import", str(path), "--symbol", "MES"]
    limited = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *command]
    home = os.environ | {"SCALPER_HOME": str(tmp_path)}
    done = subprocess.run(limited, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "error: a file outgrew the limit for files (ulimit -f)" in " ".join(done.stderr.split())
    assert not (tmp_path / "data_lake" / "bars").exists()
