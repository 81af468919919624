"""The full form of tests/test_bad_inputs.py: thousands of bad inputs, counted by kind."""

import pandas as pd
import pytest
from fuzz import properties
from fuzz.kinds import KINDS
from fuzz.texts import forbidden
from fuzz.watch import GOOD, LIMIT_S, judge, run

TEXTS, MEDIA, DATASETS = 170, 170, 80  # cases of each kind
EXAMPLES = 150  # of each property
BAD = ("crashed", "nameless", "wrong", "hung")
AS_WORDS = {"nameless": "no file or key named", "wrong": "wrongly accepted or refused"}


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_bad_inputs_are_accepted_rightly_or_refused_by_name(long_report, tmp_path, monkeypatch):
    """Bad inputs: none crashes, none hangs over 10 s, none that is forbidden is accepted."""
    counts = {name: DATASETS if name == "recorded dataset" else MEDIA for name in KINDS}
    results = list(run((name, number) for name, count in counts.items() for number in range(count)))
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    schema = [(case.what, *judge(case)) for case in forbidden(tmp_path)]
    tried = {name: properties.tried(name, EXAMPLES) for name in properties.PROPERTIES}

    failed = [result for result in results if result.verdict not in GOOD]
    accepted = [example for example in schema if example[1] != "refused"]
    long_report.count("mutated and damaged inputs", len(results), len(failed))
    long_report.count("examples of what the schema forbids", len(schema), len(accepted))
    long_report.count("examples made by hypothesis", sum(tried.values()))
    caption = f"Mutated inputs by kind; hung: more than {LIMIT_S:g} s; seconds: of all cases, and of the slowest."
    long_report.table(caption, _by_kind(results))
    long_report.table("Examples of each property.", pd.DataFrame(tried.items(), columns=["property", "examples"]))
    assert not failed, "\n".join(map(str, failed))
    assert not accepted, f"{accepted}"
    assert len(results) + len(schema) + sum(tried.values()) >= 4000


def _by_kind(results):
    table = pd.DataFrame([vars(result) for result in results])
    counts = table.groupby("kind", sort=False).verdict.value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[*GOOD, *BAD], fill_value=0)
    counts.insert(0, "cases", counts.sum(axis=1))
    seconds = table.groupby("kind", sort=False).seconds
    counts["seconds"], counts["slowest"] = seconds.sum().map("{:.1f}".format), seconds.max().map("{:.2f}".format)
    return counts.rename(columns=AS_WORDS).reset_index()
