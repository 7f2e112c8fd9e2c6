"""The risk budget: lanes that trade one account at once divide it, so that together they lose no more than it may.

A lane's limits are fractions of its share of the capital. Shares that add up to at most 1 bound what all lose of a day,
below the peak and below the capital, because a sum never falls further than its parts do together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from scalper.errors import BadInput
from scalper.settings import RiskSettings


def budget(risks: Mapping[str, RiskSettings]) -> None:
    """Check the `risk` sections of lanes, by the file that each stands in; a lane without an account has its own.

    Raises BadInput naming files and keys: lanes of one account whose shares exceed 1, or whose other keys differ.
    """
    accounts: defaultdict[str, list[str]] = defaultdict(list)
    for file, risk in risks.items():
        if risk.account is not None:
            accounts[risk.account].append(file)
    for account, files in accounts.items():
        _same(account, {file: risks[file] for file in files})
        shares = {file: Fraction(str(risks[file].share)) for file in files}  # as written: 0.7 + 0.2 + 0.1 is 1
        if (total := sum(shares.values())) > 1:
            parts = ", ".join(f"{file} {float(share):g}" for file, share in shares.items())
            raise BadInput(
                f"key `risk.share`: account {account} is given out {float(total):g} times ({parts}); at most 1"
            )


def _same(account: str, risks: Mapping[str, RiskSettings]) -> None:
    (first, risk), *others = risks.items()
    for file, other in others:
        for key in type(risk).model_fields:
            mine, theirs = getattr(risk, key), getattr(other, key)
            if key != "share" and mine != theirs:
                raise BadInput(
                    f"key `risk.{key}`: the lanes of account {account} have its limits in common, but {first} says "
                    f"{mine} and {file} {theirs}; write the same in both"
                )
