"""Bad inputs: a sample of every kind, every example of what the schema forbids, and each fault that was ever found."""

from __future__ import annotations

import json
import time

import pytest
from fuzz import properties
from fuzz.kinds import KINDS, PLANTED
from fuzz.planted import PLANTED as FAULTS
from fuzz.texts import forbidden
from fuzz.watch import GOOD, judge, run

CASES = 7  # of each kind
EXAMPLES = 30  # of each property


@pytest.mark.timeout(600)
def test_a_sample_of_every_kind_is_accepted_rightly_or_refused_by_name():
    results = list(run((name, number) for name in KINDS for number in range(CASES)))
    assert [str(result) for result in results if result.verdict not in GOOD] == []
    verdicts = {(result.kind, result.verdict) for result in results}
    assert len(results) == CASES * len(KINDS)
    assert sum(verdict == "refused" for _, verdict in verdicts) > len(KINDS) // 2


@pytest.mark.parametrize("name", properties.PROPERTIES)
def test_whatever_hypothesis_thinks_of(name):
    assert properties.tried(name, EXAMPLES) >= EXAMPLES // 2


def test_nothing_that_the_schema_forbids_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))  # the readers set it anew
    results = [(case.what, *judge(case)) for case in forbidden(tmp_path)]
    assert [result for result in results if result[1] != "refused"] == []
    assert len(results) > 300


@pytest.mark.timeout(300)
def test_every_way_to_fail_is_seen():
    results = {result.kind: result for result in run(((name, 0) for name in PLANTED), limit_s=2)}
    found = {name: results[f"planted: {name}"].verdict for name in FAULTS}
    assert found == {name: verdict for name, (_, verdict) in FAULTS.items()}


def test_a_property_that_does_not_hold_is_found(monkeypatch):
    monkeypatch.setattr(properties, "parse_yaml", lambda text, place: json.loads(text))
    with pytest.raises((ExceptionGroup, ValueError)):
        properties.tried("YAML text", EXAMPLES)


def test_a_hang_is_no_longer_than_its_limit():
    def hang() -> None:
        with properties.in_time(1):
            time.sleep(60)

    with pytest.raises(AssertionError, match="more than 1 s"):
        hang()
