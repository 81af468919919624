"""What the truth's naming is worth: every way to name outputs, and no way for the truth to reach the outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from avsep_lib import naming
from avsep_lib.baselines import tables as baselines
from avsep_lib.methods.assignment import best_way, ways
from avsep_lib.metrics import RESOLUTION_DB, si_sdr

RNG = np.random.default_rng(0)
SOURCES = RNG.normal(size=(2, 4000))
MIXTURE = SOURCES.mean(axis=0)


def test_two_outputs_are_right_or_wrong():
    outputs = SOURCES[::-1] + 0.1 * RNG.normal(size=SOURCES.shape)
    gains = naming.gains_of_ways(outputs, SOURCES, MIXTURE)
    floor = si_sdr(SOURCES, np.stack([MIXTURE] * 2))
    assert list(gains) == pytest.approx(
        [(si_sdr(SOURCES, outputs[[0, 1]]) - floor).mean(), (si_sdr(SOURCES, outputs[[1, 0]]) - floor).mean()]
    )
    assert gains[1] == pytest.approx(20, abs=1)  # noise 20 dB below, and the mixture is near 0 dB
    assert gains[0] < -20


def test_the_best_of_all_ways_is_the_one_that_scoring_takes():
    outputs = RNG.normal(size=(4, 4000)) + np.repeat(SOURCES, 2, axis=0)
    gains = naming.gains_of_ways(outputs, SOURCES, MIXTURE)
    assert len(gains) == 14
    assert ways(4, 2)[int(np.argmax(gains))] == best_way(outputs, SOURCES) == (0, 0, 1, 1)


def test_copies_of_the_mixture_gain_nothing_whatever_their_names():
    gains = naming.gains_of_ways(np.stack([MIXTURE] * 3), SOURCES, MIXTURE)
    assert gains == pytest.approx(np.zeros(6), abs=1e-9)


def test_a_silent_output_is_the_worst_and_finite():
    outputs = np.stack([SOURCES[0], np.zeros(4000)])
    gains = naming.gains_of_ways(outputs, SOURCES, MIXTURE)
    assert np.isfinite(gains).all()
    assert gains.min() < -RESOLUTION_DB / 2


@dataclass
class Audio:
    n_output: int = 3000


class Blind:
    """Returns the sources; must not be told them."""

    audio = Audio()

    def __init__(self, mask):
        self.mask = mask

    def estimate(self, waveform, queries):
        assert [query.kind for query in queries] == ["none", "none"]
        assert [query.value for query in queries] == [None, None]
        loud = {"binary": np.zeros((2, 3000))} if self.mask == "soft" else {}
        return loud | {self.mask: SOURCES[:, :3000]}


@dataclass
class Item:
    mixture_id: str = "t0"
    waveform: np.ndarray = None
    sources: np.ndarray = None


@pytest.mark.parametrize("mask", ["soft", "none"])
def test_methods_are_not_told_the_truth(mask):
    items = [Item(f"t{k}", MIXTURE, SOURCES) for k in range(3)]
    table = naming.name_every_way({"pit-s0": ("pit", Blind(mask))}, items)
    assert list(table.columns) == naming.COLUMNS
    assert list(table["mixture_id"]) == ["t0", "t1", "t2"]
    assert (table[["n_outputs", "n_ways"]] == 2).all(axis=None)
    assert (table["best_db"] > 100).all()
    assert table["median_db"].to_numpy() == pytest.approx((table["best_db"] + table["worst_db"]).to_numpy() / 2)


@pytest.fixture
def of_profile(tmp_path, monkeypatch):
    def write(table):
        path = tmp_path / "naming.csv"
        table.to_csv(path, index=False)
        monkeypatch.setattr(baselines, "naming_files", lambda profile: [path])
        return baselines.naming_text(baselines.naming("any"))

    return write


def test_table_has_both_with_intervals_and_counts(of_profile):
    lines = [("mixit-s0", "mixit", f"t{k}", 4, 14, 5.0 + k % 3, -1.0 - k % 2, -9.0) for k in range(12)]
    lines += [("nmf-s0", "nmf", f"t{k}", 2, 2, 4.0 + k % 3, -3.0, -10.0 - k % 3) for k in range(12)]
    shown = of_profile(pd.DataFrame(lines, columns=naming.COLUMNS)).set_index("row")
    assert list(shown.index) == ["NMF", "MixIT"]
    assert shown.loc["MixIT", "ways to name them"] == "14"
    assert shown.loc["MixIT", "named by the truth (dB)"].startswith("+6.00 [+5.")
    assert shown.loc["MixIT", "the median way (dB)"].startswith("-1.50 [-1.")
    assert list(shown["mixtures"]) == ["12", "12"]


def test_a_profile_without_such_rows_says_so(of_profile):
    shown = of_profile(pd.DataFrame(columns=naming.COLUMNS))
    assert "no row" in shown["row"].iloc[0]
