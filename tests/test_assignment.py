"""Which output is which source: against brute force, the Hungarian algorithm, and where there is nothing to compare."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from avsep_lib.errors import DataError
from avsep_lib.methods.assignment import MOST, assigned, best_way, n_ways, ways
from avsep_lib.metrics import si_sdr


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 2), (3, 2), (4, 2), (4, 4), (5, 3)])
def test_each_way_leaves_no_source_without_output(m, n):
    tried = ways(m, n)
    assert len(tried) == len(set(tried)) == n_ways(m, n)
    assert all(len(way) == m and set(way) == set(range(n)) for way in tried)
    assert m != n or set(tried) == set(itertools.permutations(range(n)))
    assert n > 2 or m == n or len(tried) == n**m - n  # two sources: all splits but those that give all to one


def test_numbers_of_ways_and_what_is_refused():
    assert n_ways(6, 6) == math.factorial(6) == len(ways(6, 6))  # 6^6 maps, but few reach every source
    assert n_ways(12, 2) == 2**12 - 2 <= MOST
    assert len(ways(12, 2)) == n_ways(12, 2)
    with pytest.raises(DataError, match="1 outputs cannot be 2 sources; give the method more"):
        ways(1, 2)
    with pytest.raises(DataError, match="13 outputs and 2 sources: 8190 ways"):
        ways(13, 2)
    with pytest.raises(DataError, match="7 outputs and 7 sources: 5040 ways"):
        ways(7, 7)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_permutations_are_found(order):
    references = noise(3, 400)
    estimates = references[list(order)] * np.array([[0.5], [2.0], [1.0]]) + 0.3 * noise(3, 400, seed=1)
    assert best_way(estimates, references) == order
    values = assigned(torch.from_numpy(estimates), estimates, references).numpy()
    np.testing.assert_array_equal(values, estimates[np.argsort(order)])


def test_parts_of_a_source_are_added_up():
    references = noise(2, 500)
    cut = np.arange(500) < 200
    estimates = np.stack([references[1] * cut, references[0] * cut, references[1] * ~cut, references[0] * ~cut])
    assert best_way(estimates, references) == (1, 0, 1, 0)
    masks = torch.arange(4.0)[:, None, None].expand(4, 2, 3)
    np.testing.assert_allclose(assigned(masks, estimates, references)[:, 0, 0], [1 + 3, 0 + 2])
    np.testing.assert_allclose(assigned(torch.from_numpy(estimates), estimates, references), references)


@pytest.mark.parametrize(("m", "n"), [(2, 2), (3, 3), (4, 2), (4, 3)])
def test_brute_force_agrees(m, n):
    for seed in range(5):
        references, estimates = noise(n, 60, seed=seed), noise(m, 60, seed=100 + seed)
        estimates[:n] += 0.5 * references[::-1]
        best, found = -np.inf, None
        for way in itertools.product(range(n), repeat=m):
            sums = np.zeros((n, 60))
            for output, source in enumerate(way):
                sums[source] += estimates[output]
            if sums.any(axis=1).all() and (score := si_sdr(references, sums).mean()) > best:
                best, found = score, way
        assert best_way(estimates, references) == found


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_hungarian_algorithm_agrees(n):
    for seed in range(5):
        references, estimates = noise(n, 80, seed=seed), noise(n, 80, seed=50 + seed)
        each = np.array([si_sdr(references, np.repeat(estimate[None], n, axis=0)) for estimate in estimates])
        outputs, sources = linear_sum_assignment(each, maximize=True)
        mine = assigned(torch.from_numpy(estimates), estimates, references).numpy()
        np.testing.assert_array_equal(mine[sources], estimates[outputs])


def test_a_silent_output_does_not_confuse_the_others():
    references = noise(3, 300)
    silent = np.zeros(300)
    first, third = references[0] + 0.1 * noise(300), references[2] + 0.1 * noise(300, seed=4)
    assert best_way(np.stack([third, silent, first]), references) == (2, 1, 0)
    assert best_way(np.stack([silent, references[0] + 0.1 * noise(300, seed=2)]), references[:2]) == (1, 0)
    way = best_way(np.stack([silent, references[1], references[0]]), references[:2])  # left over: nobody is without
    assert way[1:] == (1, 0)
    assert best_way(np.zeros((2, 300)), references[:2]) == (0, 1)  # nothing to tell


def test_an_output_that_shares_nothing_with_a_source_does_not_confuse_the_others():
    references = np.zeros((2, 300))
    references[0, :100], references[1, 100:200] = noise(100), noise(100, seed=1)
    elsewhere = np.zeros(300)
    elsewhere[200:] = noise(100, seed=2)  # SI-SDR of minus infinity for both
    assert best_way(np.stack([elsewhere, references[0]]), references) == (1, 0)
    assert best_way(np.stack([references[1], elsewhere]), references) == (1, 0)


def test_a_silent_source_is_refused():
    with pytest.raises(DataError, match="reference 1 is silent"):
        best_way(noise(2, 50), np.stack([noise(50), np.zeros(50)]))
