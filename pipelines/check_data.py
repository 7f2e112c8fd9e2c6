"""`python -m pipelines.check_data`: the quality rules on every lane of config/ that has bars, for `make check-data`.

Exit code 4 when a lane has a file that is broken, or data that the gate would refuse: too many quarantined sessions,
or too many missing bars. A single quarantined session is listed and fails nothing: it is not used.
"""

import sys
from pathlib import Path

from scalper import lane as stages
from scalper.errors import DataUnavailable, Refused, ScalperError
from scalper.log import say
from scalper.settings import REPOSITORY, home, load_lane

SHOWN = 5


def main(folder: Path = REPOSITORY / "config") -> int:
    """A line a lane and what is wrong with it; the exit code."""
    bad = [path.stem for path in sorted(folder.glob("*.yaml")) if not _fit(path)]
    say(f"data of {', '.join(bad)} is not fit to be used" if bad else "no lane's data is unfit")
    return Refused.exit_code if bad else 0


def _fit(path: Path) -> bool:
    """Judge one lane, and say what was found."""
    try:
        lane = load_lane(path)
        report = stages.check(lane, home())
    except DataUnavailable as none:
        say(f"{path.stem}: not checked: {none}")
        return True
    except ScalperError as error:
        say(f"{path.stem}: FAILED: {error}")
        return False
    why = stages.unfit(lane, report)
    found = (
        f"{len(report.quarantined)} of {len(report.sessions)} sessions are quarantined, {len(report.missing)} missing"
    )
    say(f"{path.stem}: {f'FAILED: {why}' if why else 'ok'}; {found}; {stages.quality_page(lane, home())}")
    for one in report.results:
        if not one.passed:
            left = f" and {len(one.failed_sessions) - SHOWN} more" if len(one.failed_sessions) > SHOWN else ""
            days = ", ".join(map(str, one.failed_sessions[:SHOWN]))
            say(f"  {one.id}: {len(one.failed_sessions)} of {one.checked} sessions: {days}{left}")
    return why is None


if __name__ == "__main__":
    sys.exit(main())
