"""The full form of tests/test_simulations.py: enough simulations to know a share to a third of a point."""

import pytest

from avsep_lib.simulations import coverage_table
from avsep_lib.simulations.promises import OK

N_SIMULATIONS = 20_000


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_promise_of_the_statistics_is_kept(long_report):
    """Coverage, error rates and power on simulated data with a known truth."""
    table = coverage_table(N_SIMULATIONS, sizes=(16, 80, 88, 119, 176), seeds=(2, 3, 5))
    broken = table[table["promised"] & (table["verdict"] != OK)]
    long_report.count("simulated intervals and tests", int(table["n_simulations"].sum()))
    long_report.count("promised rates", int(table["promised"].sum()), len(broken))
    for what, part in table.groupby("what", sort=False):
        long_report.table(_caption(what, part), _shown(part))
    assert broken.empty, broken.to_string()


def _caption(what, part):
    first = part.iloc[0]
    bounds = f"{100 * first['lowest']:.0f} to {100 * first['highest']:.0f} %"
    promise = "promised" if part["promised"].any() else "nothing promised, judged against"
    nominal, trials = f"nominal {100 * first['nominal']:.0f} %", f"{first['n_simulations']:,} simulations each"
    return f"**{what}**: {nominal}, {promise} {bounds}; {trials}."


def _shown(part):
    shown = part[["distribution", "n", "seeds", "found", "low", "high", "verdict"]].copy()
    for name in ("found", "low", "high"):
        shown[name] = (100 * shown[name]).map("{:.2f}".format)
    shown["verdict"] = part["verdict"].where(part["promised"], part["verdict"] + " (not promised)")
    return shown.rename(columns={"found": "found, %", "low": "95 % low", "high": "95 % high"})
