"""GO needs every check; the reasons come in an order that is written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scalper.errors import Refused
from scalper.gate.case import Measured
from scalper.gate.checks import REGISTRY, judge
from scalper.gate.evidence import Evidence
from scalper.gate.verdict import FAILURES, PROTECTIONS, decide
from tests.gate.sample import make_measured


def test_every_check_has_its_place_in_both_orders() -> None:
    ids = sorted(rule.id for rule in REGISTRY)
    assert sorted(FAILURES) == ids
    assert sorted(PROTECTIONS) == ids


def test_go_names_the_three_strongest_protections_with_figures(evidence: Evidence) -> None:
    verdict = decide(judge(evidence, make_measured()))
    assert verdict.go
    assert [reason.split(":")[0] for reason in verdict.reasons] == list(PROTECTIONS[:3])
    assert all(any(letter.isdigit() for letter in reason) for reason in verdict.reasons)


def test_no_go_names_the_three_gravest_failures(evidence: Evidence) -> None:
    evidence.stress["costs"] = -1.0
    evidence.quality["coverage"] = 0.5
    evidence.account.pop("kill")
    measured = Measured(missing={"audit": "the lake is empty"})
    verdict = decide(judge(evidence, measured))
    assert verdict.verdict == "NO-GO"
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["audit", "data", "parity.stream"]
    assert "the lake is empty" in verdict.reasons[0]


@pytest.mark.parametrize("index", range(len(REGISTRY)))
def test_one_check_that_cannot_be_evaluated_is_enough_for_no_go(index: int, evidence: Evidence) -> None:
    from dataclasses import replace

    checks = judge(evidence, make_measured())
    checks[index] = replace(checks[index], status="CANNOT EVALUATE", value=None)
    assert decide(checks).verdict == "NO-GO"


def test_a_verdict_without_checks_is_refused(evidence: Evidence) -> None:
    with pytest.raises(Refused):
        decide([])
    checks = judge(evidence, make_measured())
    with pytest.raises(Refused):
        decide([*checks, checks[0]])


def test_the_document_is_json_and_has_what_scripts_read(evidence: Evidence) -> None:
    verdict = decide(judge(evidence, make_measured())).at(Path("bundles/x"), {"gate": 1.5})
    document = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert (document["verdict"], document["stage"]) == ("GO", "PAPER")
    assert document["bundle"] == "bundles/x"
    assert document["seconds"] == {"gate": 1.5}
    assert all(one.keys() >= {"id", "stage", "value", "threshold", "status"} for one in document["checks"])
