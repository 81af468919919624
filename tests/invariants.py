"""What no metric and no statistic may depend on: each function raises AssertionError when one does.

`tests/test_invariants.py` calls them with a few seeds, `tests/long/test_numbers.py` with many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from avsep_lib import audio, comparisons, intervals, metrics, stats
from avsep_lib.intervals import Resampling
from avsep_lib.methods.base import Query
from avsep_lib.methods.references import REFERENCES
from avsep_lib.modality_gap import centroids
from avsep_lib.settings import AudioSettings
from avsep_lib.sound_character.correlations import spearman
from avsep_lib.tables.comparable import comparable, summary

AUDIO = AudioSettings(sample_rate=8000, n_samples=4095, n_fft=512, hop_length=128, n_rows=32)
TAPS = 64
FEW = Resampling(200, 5)
EXACT_DB = 1e-6  # of what rounding alone may move
INVARIANTS: dict[str, Callable[[np.random.Generator], None]] = {}


def invariant(function: Callable[[np.random.Generator], None]) -> Callable[[np.random.Generator], None]:
    """Enter a function in `INVARIANTS`."""
    INVARIANTS[function.__name__] = function
    return function


def coloured(rng: np.random.Generator, n: int, samples: int = 4095) -> np.ndarray:
    """Signals (n, samples) with spectra of their own: noise through short random filters."""
    noise = rng.standard_normal((n, samples + 40))
    return 0.1 * np.stack([np.convolve(x, rng.standard_normal(41) * np.hanning(41), mode="valid") for x in noise])


def scene(rng: np.random.Generator, n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates with interference and noise, each (n, samples)."""
    s = coloured(rng, n)
    return s, s + 0.3 * np.roll(s, 1, axis=0) + 0.1 * coloured(rng, n)


def ratios(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """SDR, SIR, SAR and SI-SDR, (4, n)."""
    found = metrics.bss_eval(references, estimates, TAPS)
    return np.stack([found.sdr_db, found.sir_db, found.sar_db, metrics.si_sdr(references, estimates)])


def same(a: np.ndarray, b: np.ndarray, tolerance: float = EXACT_DB) -> None:
    """Equal but for rounding; infinities and NaN in the same places."""
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


# --- separation metrics ----------------------------------------------------------------------------------------------


@invariant
def gain_of_estimates(rng):
    """Scores do not depend on the level, or the sign, of an estimate."""
    s, e = scene(rng)
    same(ratios(s, e), ratios(s, e * np.array([[10 ** rng.uniform(-3, 3)], [-(10 ** rng.uniform(-3, 3))]])))


@invariant
def gain_of_references(rng):
    """Scores do not depend on the level of a reference."""
    s, e = scene(rng)
    same(ratios(s, e), ratios(s * 10 ** rng.uniform(-3, 3, (2, 1)), e))


@invariant
def order_of_sources(rng):
    """Permuted sources, with their estimates, have permuted scores; and no permutation is searched."""
    s, e = scene(rng, 3)
    order = rng.permutation(3)
    same(ratios(s, e)[:, order], ratios(s[order], e[order]))
    assert (ratios(s, np.roll(e, 1, axis=0))[0] < ratios(s, e)[0]).all()


@invariant
def order_of_methods(rng):
    """A method's scores do not depend on which methods are scored with it."""
    s, e = scene(rng)
    kept = metrics.References(s, TAPS)
    together = kept.bss_eval(np.stack([s.sum(axis=0) + 0 * s, e, e[::-1]])).sdr_db
    same(together[1], kept.bss_eval(e).sdr_db)
    same(together[1], metrics.bss_eval(s, e, TAPS).sdr_db)


@invariant
def allowed_delay(rng):
    """A delay within the filter's taps costs BSS-eval nothing; one beyond them does, and SI-SDR forgives none."""
    s = coloured(rng, 2)
    s[:, -2 * TAPS :] = 0
    late = np.roll(s, int(rng.integers(1, TAPS)), axis=1)
    beyond = np.roll(s, TAPS + int(rng.integers(20, TAPS)), axis=1)
    assert (metrics.bss_eval(s, late, TAPS).sdr_db > 100).all()
    assert (metrics.bss_eval(s, beyond, TAPS).sdr_db < 30).all()
    assert (metrics.si_sdr(s, late) < 20).all()


@invariant
def interference_lowers_sir(rng):
    """More of the other source lowers SIR and SDR; SAR, which counts it as wanted, moves less."""
    s, noise = coloured(rng, 2), 0.05 * coloured(rng, 2)
    found = np.stack([ratios(s, s + share * s[::-1] + noise) for share in (0.05, 0.2, 0.8)])
    assert (np.diff(found[:, :2], axis=0) < 0).all()
    assert np.abs(np.diff(found[:, 2], axis=0)).max() < np.abs(np.diff(found[:, 1], axis=0)).min()


@invariant
def noise_lowers_sar(rng):
    """More noise lowers SAR and SDR; SIR moves less."""
    s, noise = coloured(rng, 2), coloured(rng, 2)
    found = np.stack([ratios(s, s + 0.2 * s[::-1] + share * noise) for share in (0.05, 0.2, 0.8)])
    assert (np.diff(found[:, [0, 2, 3]], axis=0) < 0).all()
    assert np.abs(np.diff(found[:, 1], axis=0)).max() < np.abs(np.diff(found[:, 2], axis=0)).min()


@invariant
def sdr_holds_both(rng):
    """SDR is no better than SIR or SAR, and no worse than the error of both together."""
    sdr, sir, sar, _ = ratios(*scene(rng))
    assert (sdr <= np.minimum(sir, sar) + EXACT_DB).all()
    error = 10 ** (-sir / 10) + 10 ** (-sar / 10) + 10 ** (-(sir + sar) / 10)
    same(sdr, -10 * np.log10(error))


@invariant
def more_taps_forgive_more(rng):
    """SDR does not fall when the filter gets longer; with one tap it is SI-SDR."""
    s, e = scene(rng)
    found = [metrics.bss_eval(s, e, taps).sdr_db for taps in (1, 8, TAPS)]
    assert (np.diff(found, axis=0) >= -EXACT_DB).all()
    same(found[0], metrics.si_sdr(s, e), 1e-5)


# --- mixtures and masks ----------------------------------------------------------------------------------------------


def mixed(rng: np.random.Generator, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """A mixture and its sources as scoring has them, quiet enough that no estimate is clipped at 1."""
    signals = coloured(rng, n, AUDIO.n_samples)
    return audio.mix(torch.from_numpy((0.3 * signals / np.abs(signals).max()).astype(np.float32)))


@invariant
def sources_sum_to_the_mixture(rng):
    """Waveforms and spectrograms of the sources add up to the mixture's, and their order does not matter."""
    mixture, sources = mixed(rng, 3)
    torch.testing.assert_close(sources.sum(dim=0), mixture)
    torch.testing.assert_close(audio.stft(sources, AUDIO).sum(dim=0), audio.stft(mixture, AUDIO), rtol=0, atol=1e-4)
    torch.testing.assert_close(audio.mix(sources.flip(0) * 3)[0], mixture, rtol=0, atol=1e-6)


@invariant
def complementary_masks_are_consistent(rng):
    """Estimates of masks that sum to one sum to the mixture."""
    mixture, _ = mixed(rng)
    spectrum = audio.stft(mixture, AUDIO)
    mask = torch.from_numpy(rng.uniform(size=(AUDIO.n_rows, spectrum.shape[-1])).astype(np.float32))
    both = audio.apply_mask(spectrum, torch.stack([mask, 1 - mask]), AUDIO).sum(dim=0)
    torch.testing.assert_close(both, mixture[: AUDIO.n_output], rtol=0, atol=1e-5)
    cut = audio.apply_mask(spectrum, torch.stack([mask, 1 - mask]), AUDIO, threshold=0.5).sum(dim=0)
    torch.testing.assert_close(cut, mixture[: AUDIO.n_output], rtol=0, atol=1e-4)


@invariant
def ideal_masks_cover_the_mixture(rng):
    """Ideal ratio masks lie in [0, 1] and sum to one or more; every bin belongs to some source of two; they beat the floor."""
    mixture, sources = mixed(rng)
    queries = [Query("audio", source.numpy()) for source in sources]
    spectrum = audio.stft(mixture, AUDIO)
    ratio, binary = (REFERENCES[name](AUDIO).masks(spectrum, queries) for name in ("ideal_ratio", "ideal_binary"))
    assert ((ratio >= 0) & (ratio <= 1)).all()
    assert (
        ratio.sum(dim=0) >= 1 - 1e-3
    ).float().mean() > 0.95  # |a| + |b| >= |a + b|, but for the warp's interpolation
    assert (binary.sum(dim=0) >= 1).float().mean() > 0.95
    estimates = REFERENCES["ideal_ratio"](AUDIO).estimate(mixture.numpy(), queries)["soft"]
    references = sources[:, : AUDIO.n_output].numpy()
    floor = np.broadcast_to(mixture[: AUDIO.n_output].numpy(), references.shape)
    assert (metrics.si_sdr(references, estimates) > metrics.si_sdr(references, floor)).all()


@invariant
def order_of_queries(rng):
    """Masks and estimates follow the order of the queries."""
    mixture, sources = mixed(rng, 3)
    queries, ideal = [Query("audio", source.numpy()) for source in sources], REFERENCES["ideal_ratio"](AUDIO)
    order = rng.permutation(3)
    first = ideal.estimate(mixture.numpy(), queries)["binary"]
    np.testing.assert_array_equal(first[order], ideal.estimate(mixture.numpy(), [queries[i] for i in order])["binary"])


@invariant
def level_of_the_mixture(rng):
    """Ideal masks do not depend on the level of the whole mixture."""
    mixture, sources = mixed(rng)
    ideal, gain = REFERENCES["ideal_ratio"](AUDIO), np.float32(2.0 ** rng.integers(-3, 3))
    masks = [
        ideal.masks(audio.stft(g * mixture, AUDIO), [Query("audio", g * source.numpy()) for source in sources])
        for g in (np.float32(1), gain)
    ]
    torch.testing.assert_close(*masks, rtol=0, atol=1e-4)


# --- statistics ------------------------------------------------------------------------------------------------------


def measured(rng: np.random.Generator, seeds: int = 3, mixtures: int = 30) -> np.ndarray:
    """Scores in dB, (seeds, mixtures): a spread between seeds, one between mixtures, and a rest."""
    parts = rng.normal(0, 0.3, (seeds, 1)), rng.normal(0, 2, mixtures), rng.normal(0, 0.7, (seeds, mixtures))
    return sum(parts)


def ends(interval: intervals.Interval) -> np.ndarray:
    """Mean, ends and detectable effect of an interval."""
    return np.array([interval.mean, interval.low, interval.high, interval.detectable_effect])


@invariant
def order_of_seeds_and_mixtures(rng):
    """Intervals over both do not depend on any order; only the bootstrap's draws do, within their own error."""
    x = measured(rng)
    y = x[rng.permutation(3)][:, rng.permutation(x.shape[1])]
    same(ends(intervals.interval_across_seeds(x)), ends(intervals.interval_across_seeds(y)), 1e-9)
    a, b = (intervals.interval_over_mixtures(v, Resampling(4000, 5)) for v in (x, y))
    same(a.mean, b.mean, 1e-9)
    same(ends(a), ends(b), 0.15 * (a.high - a.low))
    same(comparisons.sign_flip_p_value(x[0, :10]), comparisons.sign_flip_p_value(x[0, rng.permutation(10)]), 1e-9)


@invariant
def a_constant_for_all_methods(rng):
    """What every method gains or loses alike leaves their difference, its intervals and p value alone."""
    a, b = measured(rng), measured(rng) + 0.3
    hard = rng.normal(0, 5, a.shape[1])
    first, second = (comparisons.paired_difference(a + c, b + c, FEW) for c in (0.0, hard))
    same(ends(first.over_mixtures), ends(second.over_mixtures), 1e-9)
    same(ends(first.across_seeds), ends(second.across_seeds), 1e-9)
    assert abs(first.p_value - second.p_value) < 1e-3


@invariant
def the_other_way_round(rng):
    """Baseline minus candidate is the negative of candidate minus baseline, with the same p value, and verdicts turn."""
    a, b = measured(rng), measured(rng) + rng.uniform(0, 2)
    d, e = (comparisons.paired_difference(*pair, replace(FEW, n=4000)) for pair in ((a, b), (b, a)))
    same(d.across_seeds.low, -e.across_seeds.high, 1e-9)
    same(d.over_mixtures.low, -e.over_mixtures.high, 0.15 * (d.over_mixtures.high - d.over_mixtures.low))
    assert abs(d.p_value - e.p_value) < 0.01
    turned = {"supported": "contradicted", "contradicted": "supported"}
    word = comparisons.verdict(d.across_seeds, "greater").verdict
    assert comparisons.verdict(e.across_seeds, "greater").verdict == turned.get(word, word)


@invariant
def unit_of_measurement(rng):
    """In another unit everything is scaled, p values stay."""
    a, b, factor = measured(rng), measured(rng), 10 ** rng.uniform(-2, 2)
    d, e = comparisons.paired_difference(a, b, FEW), comparisons.paired_difference(factor * a, factor * b, FEW)
    np.testing.assert_allclose(factor * ends(d.over_mixtures), ends(e.over_mixtures), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(factor * ends(d.across_seeds), ends(e.across_seeds), rtol=1e-9, atol=1e-12)
    assert abs(d.p_value - e.p_value) < 1e-3


@invariant
def more_mixtures_narrow_more_seeds_do_not(rng):
    """Repeating a seed adds no mixtures: the interval over mixtures stays; more mixtures make it narrower."""
    x = measured(rng, 2, 200)
    again = np.concatenate([x, x])
    a, b = (intervals.interval_over_mixtures(v, FEW) for v in (x, again))
    same(ends(a), ends(b), 1e-9)
    few = intervals.interval_over_mixtures(x[:, :25], FEW)
    assert a.high - a.low < few.high - few.low


def tidy(rng: np.random.Generator, n: int = 14) -> stats.pd.DataFrame:
    """Tidy scores of a floor, two rows of two seeds and the ceiling."""
    lines = []
    for method, seeds, gain in (
        ("mixture", [-1], 0),
        ("late", [0, 1], 2),
        ("hier", [0, 1], 3),
        ("ideal_binary", [-1], 9),
    ):
        for seed in seeds:
            for m, source in np.ndindex(n, 2):
                sdr = gain + rng.normal()
                about = {"method": method, "run_id": f"{method}-s{seed}", "seed": seed, "mixture_id": f"t{m:02d}"}
                about |= {"source": source, "clip_id": f"c{m}{source}", "instrument": "tuba", "partner": "flute"}
                values = dict.fromkeys(("sdr_db", "sir_db", "sar_db", "si_sdr_db", "sdri_db", "si_sdri_db"), sdr)
                base = {"mixture_sdr_db": 0.0, "mixture_si_sdr_db": 0.0, "mask": "binary", "status": "ok"}
                lines.append(about | values | base)
    return stats.pd.DataFrame(lines)


@invariant
def order_of_rows_and_runs(rng):
    """Tables do not depend on the order of the score rows."""
    x = tidy(rng)
    shuffled = x.sample(frac=1, random_state=int(rng.integers(1 << 30)))
    a, b = (summary(comparable(rows, "binary"), ("sdr_db",), FEW).set_index("method") for rows in (x, shuffled))
    numbers = a.select_dtypes("number").columns
    np.testing.assert_allclose(a[numbers], b.loc[a.index, numbers], rtol=0, atol=1e-9)


@invariant
def sources_are_no_mixtures(rng):
    """Two sources of a mixture that agree count once: intervals are those of the mixtures' means."""
    x = tidy(rng)
    means = x.groupby(["method", "run_id", "mixture_id"]).sdr_db.transform("mean")
    a, b = (stats.summarise(rows, ("sdr_db",), resampling=FEW) for rows in (x, x.assign(sdr_db=means)))
    np.testing.assert_allclose(a.select_dtypes("number"), b.select_dtypes("number"), rtol=0, atol=1e-9)


@invariant
def silence_costs_all_methods_alike(rng):
    """A silent estimate of one run takes its mixture from every row, so that no row is spared a hard mixture."""
    x = tidy(rng)
    quiet = (x.run_id == "late-s1") & (x.mixture_id == "t03") & (x.source == 0)
    scored = [c for c in x.columns if c.endswith("_db") and not c.startswith("mixture")]
    silent = x.assign(status=np.where(quiet, "silent_estimate", "ok"))
    silent.loc[quiet, scored] = np.nan
    a = stats.summarise(silent, ("sdr_db",), resampling=FEW).set_index("method")
    b = stats.summarise(x[x.mixture_id != "t03"], ("sdr_db",), resampling=FEW).set_index("method")
    assert (a.n_mixtures == 13).all()
    np.testing.assert_allclose(a.sdr_db, b.sdr_db.loc[a.index], rtol=0, atol=1e-9)


@invariant
def corrected_p_values(rng):
    """Holm: no p value falls, their order stays, another order of the family gives the same, NaN takes no part."""
    p = rng.uniform(0, 0.2, 8)
    found, order = comparisons.holm(p), rng.permutation(8)
    assert (found >= p).all()
    assert (found <= np.minimum(8 * p, 1) + 1e-12).all()
    assert (np.diff(found[np.argsort(p)]) >= 0).all()
    same(found[order], comparisons.holm(p[order]), 1e-12)
    same(comparisons.holm([*p, np.nan])[:8], found, 1e-12)


@invariant
def ranks_only(rng):
    """Spearman's rho depends on ranks alone, changes sign with one side, and is the same both ways."""
    x, y = rng.normal(size=(2, 11))
    same(spearman(x, y), spearman(np.exp(x), y**3), 1e-12)
    same(spearman(x, y), -spearman(-x, y), 1e-12)
    same(spearman(x, y), spearman(y, x), 1e-12)


@invariant
def gap_of_turned_clouds(rng):
    """The gap and its parts stay when both clouds are turned together; the split adds up."""
    a, b, i = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in rng.normal(0.3, 1, (3, 20, 6)))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    parts = [centroids.quantities(v.mean(axis=0), w.mean(axis=0)) for v, w in ((a, i), (a @ turn, i @ turn), (b, i))]
    for name, value in parts[0].items():
        same(value, parts[1][name], 1e-12)
    split = centroids.attribution(parts[2], parts[0])
    same(split["spread"] + split["direction"], parts[2]["gap"] - parts[0]["gap"], 1e-12)
    same(centroids.attribution(parts[0], parts[2])["spread"], -split["spread"], 1e-12)
