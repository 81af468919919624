"""The full form of tests/test_bad_inputs.py: thousands of bad inputs, counted by kind."""

import pandas as pd
import pytest
from fuzz import properties
from fuzz.kinds import KINDS
from fuzz.texts import forbidden
from fuzz.watch import GOOD, LIMIT_S, judge, run

CASES, DATASETS = 170, 80  # of each kind
EXAMPLES = 150  # of each property
BAD = ("crashed", "nameless", "wrong", "hung")
AS_WORDS = {"nameless": "no file or key named", "wrong": "wrongly accepted or refused"}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_mutated_inputs_are_accepted_rightly_or_refused_by_name(long_report):
    """Mutated inputs: none crashes, none hangs over 10 s, none is refused without its name."""
    counts = {name: DATASETS if name == "recorded dataset" else CASES for name in KINDS}
    results = list(run((name, number) for name, count in counts.items() for number in range(count)))
    failed = [result for result in results if result.verdict not in GOOD]
    long_report.count("mutated and damaged inputs", len(results), len(failed))
    caption = f"By kind; hung: more than {LIMIT_S:g} s; seconds: of all cases, and of the slowest."
    long_report.table(caption, _by_kind(results))
    assert len(results) >= 4000
    assert not failed, "\n".join(map(str, failed))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nothing_forbidden_is_accepted(long_report, tmp_path, monkeypatch):
    """Schemas: nothing that they forbid is accepted."""
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))  # the readers set it anew
    schema = [(case.what, *judge(case)) for case in forbidden(tmp_path)]
    accepted = [example for example in schema if example[1] != "refused"]
    long_report.count("examples of what the schemas forbid", len(schema), len(accepted))
    assert not accepted, f"{accepted}"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_properties_hold(long_report):
    """Properties of the readers of text, on inputs made by hypothesis."""
    tried, failed = {}, {}
    for name in properties.PROPERTIES:
        try:
            tried[name] = properties.tried(name, EXAMPLES)
        except (AssertionError, Exception) as error:  # an ExceptionGroup for several failures
            failed[name] = error
    long_report.count("examples made by hypothesis", sum(tried.values()))
    long_report.count("properties", len(properties.PROPERTIES), len(failed))
    long_report.table("Examples of each property.", pd.DataFrame(tried.items(), columns=["property", "examples"]))
    assert not failed, f"{failed}"


def _by_kind(results):
    table = pd.DataFrame([vars(result) for result in results])
    counts = table.groupby("kind", sort=False).verdict.value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[*GOOD, *BAD], fill_value=0)
    counts.insert(0, "cases", counts.sum(axis=1))
    seconds = table.groupby("kind", sort=False).seconds
    counts["seconds"], counts["slowest"] = seconds.sum().map("{:.1f}".format), seconds.max().map("{:.2f}".format)
    return counts.rename(columns=AS_WORDS).reset_index()
