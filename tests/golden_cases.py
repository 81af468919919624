"""Every metric and statistic on small inputs made by formulas, beside what something else says that it should be.

A case returns two mappings: what the library gives, and the same numbers by another way: an outside implementation, a
closed form, or a value worked out by hand. `tests/golden/values.json` keeps the first; `tools/golden.py` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import stats as scipy_stats
from scipy.optimize import linear_sum_assignment

from avsep_lib import audio, common_set, comparisons, intervals, losses, metrics, signals, stats, tsne
from avsep_lib import training_speed as speed
from avsep_lib.audit import noise, rows
from avsep_lib.audit import probe as audit_probe
from avsep_lib.bss_eval import References
from avsep_lib.descriptors import notes, pitch, spectra
from avsep_lib.descriptors.measure import describe, middle
from avsep_lib.encoders import sanity, similarity
from avsep_lib.encoders import train as encoder_training
from avsep_lib.intervals import Resampling
from avsep_lib.modality_gap import centroids, pairing
from avsep_lib.modality_gap import tables as gap_tables
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.probe import accuracy, fit, protocol
from avsep_lib.settings import AudioSettings
from avsep_lib.simulations import batches, truths
from avsep_lib.sound_character import character, correlations, gains, groups, joint
from avsep_lib.tables.comparable import check_references, comparable, seed_means, summary
from avsep_lib.tables.differences import differences, trained_at_all

FEW = Resampling(400, 7)
LEVEL = 0.95


@dataclass(frozen=True)
class Case:
    """Functions of the library, by module and name below `avsep_lib`, and what their numbers are held against."""

    covers: tuple[str, ...]
    against: str
    compute: Callable[[], tuple[dict, dict]]
    rtol: float


CASES: dict[str, Case] = {}


def case(*covers: str, against: str, rtol: float = 1e-6) -> Callable:
    """Enter a function in `CASES`; `rtol` is that of the golden values, the other way has its own where it needs one."""

    def enter(function: Callable[[], tuple[dict, dict]]) -> Callable:
        CASES[function.__name__] = Case(covers, against, function, rtol)
        return function

    return enter


@dataclass(frozen=True)
class within:
    """An expected value that holds within an absolute tolerance."""

    value: object
    tolerance: float


# --- inputs ----------------------------------------------------------------------------------------------------------


def wave(n: int, k: int) -> np.ndarray:
    """A sum of inharmonic sines with a slow envelope: no two `k` are alike, no sample is random."""
    t = np.arange(n)
    tones = sum(np.sin(2 * np.pi * (0.013 * (j + 1) ** 1.3 + 0.0071 * k) * t + j * k) / (j + 1) for j in range(9))
    return tones * (1 + 0.5 * np.sin(2 * np.pi * t * (k + 1) / n))


def rough(n: int, k: int) -> np.ndarray:
    """Numbers in [-1, 1] without visible order, the same on every machine."""
    x = np.sin(np.arange(1, n + 1) * (12.9898 + k)) * 43758.5453
    return 2 * (x - np.floor(x)) - 1


def sources() -> np.ndarray:
    """Two sources of 3000 samples with a little of everything, (2, 3000)."""
    return np.stack([wave(3000, k) + 0.3 * rough(3000, k) for k in (1, 2)])


def estimates() -> np.ndarray:
    """Both sources, filtered, with 20 % of the other and 10 % noise."""
    s = sources()
    return 0.8 * s + 0.1 * np.roll(s, 3, axis=1) + 0.2 * s[::-1] + 0.1 * np.stack([rough(3000, 7), rough(3000, 8)])


def matrix(seeds: int = 3, mixtures: int = 12) -> np.ndarray:
    """Differences in dB, (seeds, mixtures)."""
    return (
        0.4 + 0.9 * rough(seeds, 1)[:, None] + rough(mixtures, 2) + 0.5 * rough(seeds * mixtures, 3).reshape(seeds, -1)
    )


def scores() -> pd.DataFrame:
    """Tidy scores of a floor, two trained rows of two seeds and the ceilings, 12 mixtures of four instruments."""
    names, lines = ("flute", "tuba", "cello", "trumpet"), []
    for r, (method, seeds) in enumerate(
        [("mixture", [-1]), ("late", [0, 1]), ("hier", [0, 1]), ("ideal_binary", [-1]), ("ideal_ratio", [-1])]
    ):
        for seed in seeds:
            for m in range(12):
                for source in (0, 1):
                    hard, own = float(rough(12, 5)[m]), float(rough(24, 11 + 3 * r + seed)[2 * m + source])
                    sdr = hard + (0.0 if method == "mixture" else 2.0 * r + own)
                    about = {
                        "method": method,
                        "run_id": f"{method}-s{seed}",
                        "seed": seed,
                        "mixture_id": f"t{m:02d}",
                        "source": source,
                    }
                    about |= {
                        "clip_id": f"c{2 * m + source}",
                        "instrument": names[(m + 2 * source) % 4],
                        "partner": names[(m + 2 - 2 * source) % 4],
                    }
                    values = {
                        "sdr_db": sdr,
                        "sir_db": sdr + 3 + own,
                        "sar_db": np.inf if method == "mixture" else sdr + 4,
                        "si_sdr_db": sdr - 0.5,
                    }
                    base = {
                        "mixture_sdr_db": hard,
                        "mixture_si_sdr_db": hard,
                        "sdri_db": sdr - hard,
                        "si_sdri_db": sdr - 0.5 - hard,
                    }
                    lines.append(about | values | base | {"mask": "binary", "status": "ok"})
    return pd.DataFrame(lines)


def silent_scores() -> pd.DataFrame:
    """The same with a silent estimate of late-s1 in mixture t03."""
    found = scores()
    quiet = (found.run_id == "late-s1") & (found.mixture_id == "t03") & (found.source == 1)
    found.loc[quiet, ["sdr_db", "sir_db", "sar_db", "si_sdr_db", "sdri_db", "si_sdri_db"]] = np.nan
    return found.assign(status=np.where(quiet, "silent_estimate", "ok"))


def predictions() -> pd.DataFrame:
    """Answers of two probes of two seeds, one without, and the shuffled control, on 12 clips of three classes."""
    truth, lines = [("flute", "tuba", "cello")[i % 3] for i in range(12)], []
    for name, seeds, wrong in (
        ("late", (0, 1), 3),
        ("late_align", (0, 1), 5),
        ("audio_encoder", (-1,), 7),
        ("shuffled", (0, 1, 2), 2),
    ):
        for seed in seeds:
            for i, label in enumerate(truth):
                said = truth[(i + 1) % 12] if (i + seed) % wrong == 0 else label
                said = truth[(2 * i + seed) % 12] if name == "shuffled" else said
                about = {
                    "name": f"{name}-s{seed}",
                    "representation": name,
                    "seed": seed,
                    "input": "solos",
                    "split": "test",
                }
                lines.append(about | {"item": f"c{i}", "truth": label, "predicted": said, "correct": said == label})
    return pd.DataFrame(lines)


def clouds() -> Clouds:
    """Twelve clips of three classes in eight dimensions, two seeds of two rows."""
    labels = np.repeat(np.array(["a", "b", "c"]), 4)
    class_of = np.stack([wave(8, k) for k in (1, 2, 3)]).repeat(4, axis=0)

    def cloud(k: int) -> np.ndarray:
        return sanity.unit(class_of + 2.0 * rough(96, k).reshape(12, 8) + 0.3 * k)

    audio_of = {"late": np.stack([cloud(3), cloud(4)]), "late_align": np.stack([cloud(1), cloud(2)])}
    seeds = {name: [0, 1] for name in audio_of}
    return Clouds(audio_of, cloud(0), labels, seeds, {name: [f"{name}-s{s}" for s in (0, 1)] for name in audio_of})


def sound(rate: int = 11025, seconds: float = 2.0) -> np.ndarray:
    """Four decaying tones of 220 Hz and harmonics, one each half second, in a little noise."""
    t = np.arange(int(rate * seconds)) / rate
    since = t % 0.5
    tones = sum(np.sin(2 * np.pi * 220 * h * t) / h for h in (1, 2, 3, 4))
    return (0.2 * np.exp(-6 * since) * np.minimum(since / 0.01, 1) * tones + 0.001 * rough(t.size, 1)).astype(
        np.float32
    )


AUDIO = AudioSettings(sample_rate=8000, n_samples=2047, n_fft=256, hop_length=128, n_rows=16)


# --- separation metrics ----------------------------------------------------------------------------------------------


@case("metrics.bss_eval", "bss_eval.References", "bss_eval.BssEval", against="mir_eval", rtol=1e-5)
def bss_eval():
    import warnings

    import mir_eval

    found = metrics.bss_eval(sources(), estimates())
    kept = References(sources(), 16).bss_eval(np.stack([estimates(), sources()[::-1]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdr, sir, sar, _ = mir_eval.separation.bss_eval_sources(sources(), estimates(), compute_permutation=False)
    return (
        {"sdr": found.sdr_db, "sir": found.sir_db, "sar": found.sar_db, "taps_16": kept.sdr_db},
        {"sdr": within(sdr, 1e-5), "sir": within(sir, 1e-5), "sar": within(sar, 1e-5)},
    )


@case("metrics.si_sdr", against="the cosine between both: c^2 / (1 - c^2)")
def si_sdr():
    s, e = sources(), estimates()
    cosine = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(s, e)]
    found = metrics.si_sdr(s, e)
    improvement = found - metrics.si_sdr(s, np.broadcast_to(s.sum(axis=0), s.shape))
    return {"si_sdr": found, "improvement": improvement}, {
        "si_sdr": [10 * math.log10(c * c / (1 - c * c)) for c in cosine]
    }


@case(
    "signals.is_silent",
    "signals.ratio_db",
    "signals.energy",
    "signals.as_references",
    "signals.as_estimates",
    against="by hand",
)
def energies():
    checked = signals.as_estimates(signals.as_references([[3.0, 4.0]]), (1, 2))
    return (
        {
            "silent": signals.is_silent([[0, 1e-6], [0, 1e-4]]).astype(float),
            "ratio": signals.ratio_db([100, 1, 1], [1, 1, 2]),
            "energy": signals.energy(checked),
        },
        {"silent": [1, 0], "ratio": [20, 0, -10 * math.log10(2)], "energy": [25]},
    )


# --- masks and losses ------------------------------------------------------------------------------------------------


@case("audio.mix", "audio.loss_weight", "audio.binary_target", "audio.ratio_target", against="by hand")
def targets():
    mixture, scaled = audio.mix(torch.tensor([[1.0, 2.0], [3.0, -2.0]]))
    s, x = torch.tensor([[[0.6, 0.4]], [[0.5, 3.0]]]), torch.tensor([[1.0, 1.0]])
    return (
        {
            "mixture": mixture,
            "scaled": scaled,
            "weight": audio.loss_weight(torch.tensor([0.0, 1.0, 1e9])),
            "binary": audio.binary_target(s, x),
            "ratio": audio.ratio_target(s, x),
        },
        {
            "mixture": [2, 0],
            "scaled": [[0.5, 1], [1.5, -1]],
            "weight": [1e-3, math.log(2), 10],
            "binary": [[[1, 0]], [[0, 1]]],
            "ratio": [[[0.6, 0.4]], [[0.5, 1]]],
        },
    )


@case("audio.stft", "audio.istft", "audio.apply_mask", against="scipy.signal.stft; a mask of ones", rtol=1e-4)
def transforms():
    from scipy.signal import get_window

    x = 0.1 * wave(AUDIO.n_samples, 1)
    spectrum = audio.stft(torch.from_numpy(x), AUDIO)
    window, padded = get_window("hann", 256), np.pad(x, 128, mode="reflect")
    frame = np.fft.rfft(window * padded[5 * 128 : 5 * 128 + 256])
    back = audio.apply_mask(spectrum, torch.ones(AUDIO.n_rows, spectrum.shape[-1]), AUDIO)
    again = audio.istft(spectrum, AUDIO)
    return (
        {"frame": spectrum[:, 5].abs()[:40:4], "back": back[100:110], "again": again[100:110]},
        {
            "frame": within(np.abs(frame)[:40:4], 1e-5),
            "back": within(x[100:110], 1e-5),
            "again": within(x[100:110], 1e-5),
        },
    )


@case(
    "audio.warp",
    "audio.unwarp",
    "audio.warp_matrix",
    "audio.unwarp_matrix",
    "audio.warped_magnitudes",
    against="torch grid_sample, as the released code warps",
    rtol=1e-5,
)
def warps():
    magnitude = torch.from_numpy(np.abs(np.outer(wave(129, 1), wave(17, 2)))).float()
    found = audio.warp(magnitude, AUDIO)
    grid = (21.0 ** torch.linspace(0, 1, 16) - 1) / 20 * 2 - 1
    place = torch.stack(torch.broadcast_tensors(torch.linspace(-1, 1, 17)[None], grid[:, None]), dim=-1)[None]
    wanted = torch.nn.functional.grid_sample(magnitude[None, None], place, align_corners=True)[0, 0]
    flat = audio.unwarp(torch.ones(16, 3), AUDIO)
    heard = audio.warped_magnitudes(torch.from_numpy(0.1 * wave(AUDIO.n_samples, 1)).float(), AUDIO)
    return (
        {
            "warped": found[:, 3],
            "flat": flat[::40, 0],
            "sums": audio.warp_matrix(129, 16).sum(dim=1),
            "back": audio.unwarp_matrix(129, 16)[64],
            "heard": heard[::4, 5],
        },
        {"warped": within(wanted[:, 3], 1e-3 * float(magnitude.max())), "flat": np.ones(4), "sums": np.ones(16)},
    )


@case("losses.bce_binary", "losses.l1_mag", "losses.alignment", against="numpy, from the equations", rtol=1e-5)
def training_losses():
    z = rough(24, 1).reshape(1, 2, 3, 4)
    s, x = np.abs(rough(24, 2)).reshape(1, 2, 3, 4), np.abs(rough(12, 3)).reshape(1, 1, 3, 4)
    a, b = rough(10, 4).reshape(2, 5), rough(10, 5).reshape(2, 5)
    p, target = 1 / (1 + np.exp(-z)), (s > 0.5 * x) * 1.0
    entropy = -(target * np.log(p) + (1 - target) * np.log(1 - p)) * np.clip(np.log1p(x), 1e-3, 10)
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    t = torch.from_numpy
    return (
        {
            "bce": losses.bce_binary(t(z), t(s), t(x)),
            "l1": losses.l1_mag(t(z), t(s), t(x)),
            "alignment": losses.alignment(t(a), t(b)),
        },
        {"bce": entropy.mean(), "l1": np.abs(p * x - s).mean(), "alignment": 1 - cosine.mean()},
    )


@case("losses.permutation_invariant", against="scipy's Hungarian algorithm")
def permutations():
    pairwise = np.abs(rough(45, 6)).reshape(5, 3, 3)
    best = [item[linear_sum_assignment(item)].mean() for item in pairwise]
    return {"least": losses.permutation_invariant(torch.from_numpy(pairwise))}, {"least": np.array(best)}


@case(
    "encoders.train.contrastive_loss",
    "encoders.train.learning_rate_factor",
    against="numpy; two equal pairs give log 2",
    rtol=1e-5,
)
def contrastive():
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    flat, _ = encoder_training.contrastive_loss(same, same, torch.tensor(0.0), 1)
    f, t = rough(24, 1).reshape(4, 6), rough(24, 2).reshape(4, 6)
    loss, right = encoder_training.contrastive_loss(torch.from_numpy(f), torch.from_numpy(t), torch.tensor(1.0), 1)
    logits = math.e * sanity.unit(f) @ sanity.unit(t).T
    wanted = (
        -(np.diag(logits) - np.log(np.exp(logits).sum(axis=0))).mean() / 2
        - (np.diag(logits) - np.log(np.exp(logits).sum(axis=1))).mean() / 2
    )
    rates = [encoder_training.learning_rate_factor(step, 2, 6) for step in (0, 1, 2, 4, 6)]
    return {"flat": flat, "loss": loss, "right": right, "rates": rates}, {
        "flat": math.log(2),
        "loss": wanted,
        "rates": [0.5, 1, 1, 0.5, 0],
    }


# --- intervals and tests ---------------------------------------------------------------------------------------------


@case(
    "intervals.interval_over_mixtures",
    "intervals.expanded_level",
    "intervals.Resampling",
    "intervals.Interval",
    against="the t interval, which the expanded level aims at; its formula",
)
def over_mixtures():
    values = matrix().mean(axis=0)
    found = intervals.interval_over_mixtures(matrix(), Resampling(20_000, 7))
    half = scipy_stats.t.ppf(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    level = 2 * scipy_stats.norm.cdf(math.sqrt(12 / 11) * scipy_stats.t.ppf(0.975, 11)) - 1
    return (
        {
            "mean": found.mean,
            "low": found.low,
            "high": found.high,
            "effect": found.detectable_effect,
            "level": intervals.expanded_level(LEVEL, 12),
        },
        {
            "mean": values.mean(),
            "low": within(values.mean() - half, 0.2 * half),
            "high": within(values.mean() + half, 0.2 * half),
            "level": level,
        },
    )


@case(
    "intervals.interval_across_seeds",
    "intervals.variance_components",
    "intervals.VarianceComponents",
    against="the two-way ANOVA table by sums of squares, Satterthwaite by hand",
)
def across_seeds():
    x = matrix()
    found, parts = intervals.interval_across_seeds(x), intervals.variance_components(x)
    grand, seeds, mixtures = x.mean(), x.mean(axis=1), x.mean(axis=0)
    ss_total, ss_seeds, ss_mixtures = (
        ((x - grand) ** 2).sum(),
        12 * ((seeds - grand) ** 2).sum(),
        3 * ((mixtures - grand) ** 2).sum(),
    )
    ms = np.array([ss_seeds / 2, ss_mixtures / 11, (ss_total - ss_seeds - ss_mixtures) / 22])
    signed = ms * [1, 1, -1]
    variance, df = signed.sum() / 36, signed.sum() ** 2 / (signed**2 / [2, 11, 22]).sum()
    half = scipy_stats.t.ppf(0.975, df) * math.sqrt(variance)
    return (
        {
            "low": found.low,
            "high": found.high,
            "seed": parts.seed,
            "mixture": parts.mixture,
            "residual": parts.residual,
            "df": parts.df,
            "variance": parts.mean_variance,
        },
        {
            "low": grand - half,
            "high": grand + half,
            "seed": (ms[0] - ms[2]) / 12,
            "mixture": (ms[1] - ms[2]) / 3,
            "residual": ms[2],
            "df": df,
            "variance": variance,
        },
    )


@case("intervals.detectable_effect", against="the noncentral t distribution for many degrees of freedom")
def detectable():
    def power(effect: float, df: float) -> float:
        return float(scipy_stats.nct.sf(scipy_stats.t.ppf(0.975, df), df, effect))

    found = {f"df_{df}": intervals.detectable_effect(1.0, df) for df in (2, 11, 87, 500)}
    return found | {"power": power(found["df_500"], 500)}, {
        "power": within(0.8, 5e-3),
        "df_500": within(scipy_stats.t.ppf(0.975, 500) + scipy_stats.t.ppf(0.8, 500), 0.02),
    }


@case("intervals.no_interval", against="by hand")
def nothing_to_say():
    found = intervals.no_interval(np.array([1.0, 3.0]), LEVEL, "these", "few")
    return {"mean": found.mean, "n": found.n, "bounds": [found.low, found.high]}, {
        "mean": 2,
        "n": 2,
        "bounds": [np.nan, np.nan],
    }


@case(
    "comparisons.paired_difference",
    "comparisons.PairedDifference",
    "comparisons.sign_flip_p_value",
    against="all 2^9 sign flips, one by one",
)
def paired():
    a, b = matrix(3, 9), 0.2 * matrix(3, 9)[::-1]
    found = comparisons.paired_difference(a, b, FEW)
    d = a.mean(axis=0) - b.mean(axis=0)
    flips = np.array(np.meshgrid(*[[-1, 1]] * 9)).reshape(9, -1).T
    extreme = (np.abs(flips @ d) >= abs(d.sum()) - 1e-12).mean()
    many = comparisons.sign_flip_p_value(matrix(1, 20)[0] - 0.2, FEW)
    return (
        {
            "difference": found.over_mixtures.mean,
            "low": found.over_mixtures.low,
            "high": found.over_mixtures.high,
            "again_low": found.across_seeds.low,
            "p": found.p_value,
            "p_sampled": many,
        },
        {
            "difference": d.mean(),
            "p": extreme,
            "p_sampled": within(scipy_stats.ttest_1samp(matrix(1, 20)[0] - 0.2, 0).pvalue, 0.03),
        },
    )


@case("comparisons.holm", against="by hand, Holm 1979")
def holm():
    return {"p": comparisons.holm([0.01, np.nan, 0.04, 0.03, 0.9])}, {"p": [0.04, np.nan, 0.09, 0.09, 0.9]}


WORDS = [comparisons.SUPPORTED, comparisons.CONTRADICTED, comparisons.INCONCLUSIVE, comparisons.NOT_TESTABLE]


@case(
    "comparisons.verdict", "comparisons.Verdict", against="the rule: which side of zero, and which side the claim names"
)
def verdicts():
    def word(low: float, high: float, direction: str) -> int:
        found = intervals.Interval((low + high) / 2, low, high, 9, LEVEL, "")
        return WORDS.index(comparisons.verdict(found, direction).verdict)

    bounds = [(1, 2), (-2, -1), (-1, 2), (0, 2), (np.nan, np.nan)]
    return (
        {side: [word(*ends, side) for ends in bounds] for side in ("greater", "less")}
        | {"nothing": WORDS.index(comparisons.verdict(None, "less").verdict)},
        {"greater": [0, 1, 2, 2, 3], "less": [1, 0, 2, 2, 3], "nothing": 3},
    )


# --- tables of scores ------------------------------------------------------------------------------------------------


@case(
    "stats.summarise",
    "stats.compare",
    "stats.admission_counts",
    "common_set.select_mask",
    "common_set.common_mixtures",
    "common_set.mixture_means",
    "common_set.require_columns",
    "common_set.Common",
    against="means by hand over the mixtures that all separated",
)
def score_tables():
    found = silent_scores()
    common_set.require_columns(found, ["sdr_db"])
    table = stats.summarise(found, resampling=FEW).set_index("method")
    by = stats.summarise(found, ("sdr_db",), by="instrument", resampling=FEW).set_index(["method", "instrument"])
    versus = stats.compare(found, [("hier", "late")], resampling=FEW).iloc[0]
    kept = found[found.mixture_id != "t03"]
    means = kept.groupby(["method", "run_id"]).sdr_db.mean().groupby("method").mean()
    own = kept[kept.instrument == "tuba"].groupby("method").sdr_db.mean()
    return (
        {
            "sdr": table.sdr_db,
            "low": table.sdr_db_low,
            "again": table.sdr_db_seeds_high,
            "n": table.n_mixtures,
            "silent": table.n_silent,
            "tuba": by.xs("tuba", level="instrument").sdr_db,
            "difference": versus.difference,
            "ends": [versus.low, versus.high],
            "p_holm": versus.p_holm,
            "mixtures": len(common_set.common_mixtures(common_set.select_mask(found, "binary"), ("sdr_db",)).mixtures),
            "first": common_set.mixture_means(found, "sdr_db")["late"].loc[0, "t00"],
        },
        {
            "sdr": means.reindex(table.index),
            "n": [11] * 5,
            "silent": (table.index == "late") * 1.0,
            "tuba": own.reindex(by.xs("tuba", level="instrument").index),
            "difference": means["hier"] - means["late"],
            "mixtures": 11,
            "first": found[(found.run_id == "late-s0") & (found.mixture_id == "t00")].sdr_db.mean(),
        },
    )


@case(
    "tables.comparable.comparable",
    "tables.comparable.Comparable",
    "tables.comparable.summary",
    "tables.comparable.seed_means",
    "tables.comparable.check_references",
    "tables.differences.differences",
    "tables.differences.trained_at_all",
    "audit.noise.spread_between_rows",
    against="means and standard deviations by hand",
)
def comparable_rows():
    data = comparable(silent_scores(), "binary")
    check_references(data)
    table, by_seed = summary(data, ("sdr_db",), FEW).set_index("method"), seed_means(data)
    line = differences(data, [("hier", "late"), ("hier", "nosuch")], resampling=FEW)
    floor = trained_at_all(data, FEW)
    kept = silent_scores()[lambda t: t.mixture_id != "t03"]
    means = kept.groupby(["method", "seed"]).sdr_db.mean()
    return (
        {
            "sdr": table.sdr_db,
            "seeds": by_seed.set_index(["method", "seed"]).sdr_db.sort_index(),
            "difference": line.difference,
            "p": line.p_value,
            "above_floor": floor.select_dtypes("number").to_numpy(),
            "spread": noise.spread_between_rows(comparable(scores().replace({"method": {"hier": "middle"}}), "binary")),
        },
        {
            "seeds": means.drop("ideal_ratio").sort_index(),
            "difference": [means["hier"].mean() - means["late"].mean(), np.nan],
        },
    )


@case(
    "simulations.batches.intervals_over_mixtures",
    "simulations.batches.sign_flip_p_values",
    "simulations.truths.crossed",
    "simulations.truths.answers",
    against="the functions for one set of values, one by one",
)
def simulated():
    many = matrix(4, 10)
    low, high = batches.intervals_over_mixtures(many, FEW)
    one = [intervals.interval_over_mixtures(row, FEW) for row in many]
    p = batches.sign_flip_p_values(many, FEW)
    wanted = [comparisons.sign_flip_p_value(row, FEW) for row in many]
    drawn = truths.crossed(np.random.default_rng(0), 200, 200, (0.2, 0.3, 0.5))
    a, b = truths.answers(np.random.default_rng(0), 5000, 0.7, 0.2)
    return (
        {
            "low": low,
            "high": high,
            "p": p,
            "variance": drawn.var(),
            "right": np.mean(a),
            "apart": np.mean(np.asarray(a) != np.asarray(b)),
        },
        {
            "low": [i.low for i in one],
            "high": [i.high for i in one],
            "p": within(wanted, 0.02),
            "right": within(0.7, 0.03),
            "apart": within(0.2, 0.03),
        },
    )


# --- probes ----------------------------------------------------------------------------------------------------------


@case(
    *(
        f"probe.accuracy.{name}"
        for name in (
            "part",
            "rows_of",
            "correct_matrix",
            "chance",
            "macro_accuracy",
            "wilson",
            "accuracies",
            "seed_accuracies",
            "accuracy_difference",
            "differences",
            "control_interval",
            "control_chance",
            "confusion",
        )
    ),
    against="scikit-learn, scipy's Wilson interval, shares by hand",
)
def probe_accuracy():
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

    found = predictions()
    kept = accuracy.part(found, "solos")
    late = kept[kept.representation == "late"]
    table = accuracy.accuracies(found, "solos").set_index("representation")
    line = accuracy.differences(found, ["solos"], [("late_align", "late")], FEW).iloc[0]
    one = accuracy.accuracy_difference(kept, "late_align", "late", FEW)
    share = accuracy_score(late.truth, late.predicted)
    limits = scipy_stats.binomtest(9, 12).proportion_ci(method="wilson")
    nine = pd.DataFrame([[100.0] * 9 + [0.0] * 3])
    control = kept[kept.representation == "shuffled"].groupby("seed").correct.mean() * 100
    half = scipy_stats.t.ppf(0.9995, 2) * control.std(ddof=1) / math.sqrt(3)
    return (
        {
            "late": table.accuracy["late"],
            "macro": accuracy.macro_accuracy(late),
            "chance": accuracy.chance(kept),
            "wilson": accuracy.wilson(nine),
            "rows": len(accuracy.rows_of(kept)),
            "difference": line.difference,
            "p": line.p_value,
            "again": one.over_mixtures.mean,
            "confusion": accuracy.confusion(kept, "late").to_numpy(),
            "correct": accuracy.correct_matrix(kept, "late").to_numpy().mean(),
            "control": accuracy.control_interval(found),
            "by_chance": accuracy.control_chance(found),
            "seeds": accuracy.seed_accuracies(found).accuracy,
        },
        {
            "late": 100 * share,
            "macro": 100 * balanced_accuracy_score(late.truth, late.predicted),
            "chance": [100 / 3, 100 / 3],
            "wilson": within([100 * limits.low, 100 * limits.high], 1e-4),
            "rows": 3,
            "confusion": 100 * confusion_matrix(late.truth, late.predicted, normalize="true"),
            "correct": 100 * share,
            "control": [control.mean() - half, control.mean() + half],
            "difference": 100 * (kept[kept.representation == "late_align"].correct.mean() - share),
        },
    )


@case(
    "probe.accuracy.mcnemar",
    "probe.accuracy.mcnemar_by_seed",
    "audit.probe.mcnemar_p",
    "audit.probe.mcnemar_extremes",
    "audit.probe.wilson",
    "audit.probe.numbers_of_items",
    "audit.rows.half_width",
    "encoders.sanity.wilson_interval",
    against="scipy.stats.binomtest, by hand",
)
def proportions():
    a, b = [1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 0]
    frames = pd.DataFrame([a], index=[3]), pd.DataFrame([b], index=[3])
    limits = scipy_stats.binomtest(59, 119).proportion_ci(method="wilson")
    both = [limits.low, limits.high]
    return (
        {
            "p": accuracy.mcnemar(a, b),
            "by_seed": accuracy.mcnemar_by_seed(*frames)[3],
            "audit": audit_probe.mcnemar_p(4, 1),
            "extremes": audit_probe.mcnemar_extremes(59, 70, 119),
            "wilson": sanity.wilson_interval(59, 119),
            "percent": audit_probe.wilson(59, 119),
            "items": audit_probe.numbers_of_items([33.33, 66.67], range(2, 8)),
            "half": rows.half_width(2.0, 16),
        },
        {
            "p": 0.375,
            "by_seed": 0.375,
            "audit": 0.375,
            "extremes": [[11, 0, 2 * 0.5**11], [60, 49, scipy_stats.binomtest(60, 109).pvalue]],
            "wilson": within(both, 1e-6),
            "percent": 100 * np.array(both),
            "items": [3, 6],
            "half": scipy_stats.t.ppf(0.975, 15) / 2,
        },
    )


@case(
    "probe.fit.fit_solos",
    "probe.fit.fit_mixtures",
    "probe.fit.Probe",
    "probe.fit.top",
    "probe.fit.solo_folds",
    "probe.fit.mixture_folds",
    "probe.protocol.learned_presets",
    "probe.protocol.preset_role",
    "probe.protocol.check_disjoint",
    against="classes that a line divides; counts by hand",
    rtol=1e-4,
)
def probe_fit():
    labels = np.repeat(["a", "b", "c"], 6)
    vectors = np.eye(3).repeat(6, axis=0) + 0.1 * rough(54, 1).reshape(18, 3)
    items = pd.DataFrame({"labels": labels, "videos": [f"v{i}" for i in range(18)]})
    found = fit.fit_solos(vectors, items)
    pairs = pd.DataFrame(
        {"labels": [f"{a}|{b}" for a, b in ("ab", "ac", "bc") * 6], "videos": [f"v{i}|w{i}" for i in range(18)]}
    )
    mixed = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]] * 6) + 0.1 * rough(54, 2).reshape(18, 3)
    both = fit.fit_mixtures(mixed, pairs)
    folds, split = (
        fit.solo_folds(np.repeat([0, 1, 2], 6), items["videos"].to_numpy()),
        fit.mixture_folds(pairs["videos"]),
    )
    solos = pd.DataFrame({"labels": ["a"] * 4, "split": ["train"] * 3 + ["test"], "preset": ["1", "1", "2", "2"]})
    protocol.check_disjoint(items.iloc[:9], items.iloc[9:])
    return (
        {
            "right": np.mean(np.array(found.predict(vectors)) == labels),
            "pairs": np.mean(np.array(both.predict(mixed)) == pairs["labels"]),
            "C": [found.C, both.C],
            "folds": len(folds),
            "held": sum(len(test) for _, test in folds),
            "apart": max(len(set(a) & set(b)) for a, b in split),
            "top": fit.top(np.array([[1, 3, 2]]), 2),
            "preset": int(protocol.learned_presets(solos)["a"]),
            "learned": (protocol.preset_role(solos) == "learned").sum(),
        },
        {"right": 1, "pairs": 1, "folds": 5, "held": 18, "apart": 0, "top": [[1, 2]], "preset": 1, "learned": 2},
    )


# --- embeddings ------------------------------------------------------------------------------------------------------


@case(
    *(f"encoders.similarity.{name}" for name in ("centred", "class_similarity", "contrast")),
    *(f"encoders.sanity.{name}" for name in ("unit", "nearest", "proportion_row", "disjoint_pairs", "cross_modal_row")),
    against="scikit-learn's cosine similarity, scipy's binomial test, by hand",
)
def embeddings():
    from sklearn.metrics.pairwise import cosine_similarity

    labels, x = np.repeat([0, 1, 2], 4), clouds().audio["late"][0]
    found = similarity.class_similarity(x, x, labels)
    centre = similarity.centred(x, labels)
    plain = cosine_similarity(x - np.stack([x[labels == k].mean(axis=0) for k in range(3)]).mean(axis=0))
    same, off = ~np.eye(4, dtype=bool), plain[:4, 4:8].mean()
    row = sanity.proportion_row("x", "y", np.array([1, 1, 1, 0, 0]), 0.25)
    cross = sanity.cross_modal_row(x, clouds().images, labels)
    near = sanity.nearest(x[:5], x)
    return (
        {
            "similarity": found,
            "diagonal": found[0, 0],
            "off": found[0, 1],
            "contrast": similarity.contrast(found),
            "centre": np.linalg.norm(centre, axis=1),
            "nearest": near,
            "p": row["p_chance"],
            "value": row["value"],
            "pairs": sanity.disjoint_pairs(labels),
            "cross": [cross["value"], cross["low"], cross["high"], cross["p_chance"]],
            "unit": sanity.unit(np.array([[3.0, 4.0]])),
        },
        {
            "diagonal": plain[:4, :4][same].mean(),
            "off": off,
            "centre": np.ones(12),
            "nearest": np.arange(5),
            "p": scipy_stats.binomtest(3, 5, 0.25).pvalue,
            "value": 0.6,
            "unit": [[0.6, 0.8]],
            "pairs": [[i, i + 6] for i in range(6)],
        },
    )


@case(
    *(
        f"modality_gap.centroids.{name}"
        for name in (
            "quantities",
            "gap_from",
            "leave_one_out",
            "influence",
            "influences",
            "cosine_range",
            "rotated",
            "p_rotated",
            "attribution",
            "attribution_influences",
        )
    ),
    against="the law of cosines, the jackknife by loops, random directions in closed form",
)
def gap_parts():
    c = clouds()
    a, i = c.audio["late"][0], c.images
    parts = centroids.quantities(a.mean(axis=0), i.mean(axis=0))
    b = centroids.quantities(c.audio["late_align"][0].mean(axis=0), i.mean(axis=0))
    split = centroids.attribution(b, parts)
    without = np.array(
        [np.linalg.norm(np.delete(a, k, 0).mean(axis=0) - np.delete(i, k, 0).mean(axis=0)) for k in range(12)]
    )
    pseudo = centroids.influences(c.audio["late"], i)["gap"][0]
    both = centroids.attribution_influences(c.audio["late_align"], c.audio["late"], i)
    return (
        {
            "gap": parts["gap"],
            "made": centroids.gap_from(parts["audio_norm"], parts["image_norm"], parts["cosine"]),
            "cosine": parts["cosine"],
            "pseudo": pseudo,
            "plain": centroids.influence(np.array(2.0), np.array([1.0, 3.0])),
            "loo": centroids.leave_one_out(np.array([[1.0], [3.0], [5.0]])),
            "range_3": centroids.cosine_range(3),
            "p_3": centroids.p_rotated(0.5, 3),
            "rotated": centroids.rotated(0.6, 0.8, 3),
            "split": list(split.values()),
            "sum": split["spread"] + split["direction"],
            "both": [v.mean() for v in both.values()],
        },
        {
            "gap": np.linalg.norm(a.mean(axis=0) - i.mean(axis=0)),
            "made": parts["gap"],
            "pseudo": 12 * parts["gap"] - 11 * without,
            "plain": [3, 1],
            "loo": [[4], [3], [2]],
            "range_3": 0.95,
            "p_3": 0.5,
            "rotated": [1.0, math.sqrt(1 - 0.96 * 0.95), math.sqrt(1 + 0.96 * 0.95)],
            "sum": b["gap"] - parts["gap"],
        },
    )


@case(
    "modality_gap.pairing.pairing",
    "modality_gap.pairing.no_gap",
    "modality_gap.pairing.pairing_table",
    *(
        f"modality_gap.tables.{name}"
        for name in ("gap_table", "seed_values", "corrected", "identity_error", "part_differences", "attributions")
    ),
    "modality_gap.clouds.Clouds",
    against="means of cosines, the jackknife mean, Holm on the joined p values",
)
def gap_statistics():
    c = clouds()
    found, pairs, seeds = (
        gap_tables.gap_table(c, FEW).set_index("row"),
        pairing.pairing_table(c),
        gap_tables.seed_values(c),
    )
    first, second = gap_tables.corrected(seeds, pairs)
    cosines = np.mean(c.audio["late"] @ c.images.T, axis=0)
    joined = comparisons.holm(np.concatenate([seeds["p_arbitrary"], pairs["p_own"], pairs["p_class"]]))
    parts = gap_tables.attributions(c, [("late_align", "late")], FEW)
    one = gap_tables.part_differences(c, "late_align", "late", FEW)
    pseudo = [centroids.influences(c.audio[row], c.images)["gap"].mean() for row in c.audio]
    return (
        {
            "gap": found.gap,
            "low": found.gap_low,
            "plain": found.gap_plain,
            "arbitrary": found.arbitrary,
            "own": pairing.pairing(c, "late")["own"],
            "p_own": pairs.p_own,
            "p_class": pairs.p_class,
            "no_gap": pairing.no_gap(c, "late"),
            "holm": np.concatenate([first.p_arbitrary, second.p_own, second.p_class]),
            "identity": gap_tables.identity_error(c),
            "parts": parts.difference,
            "p": parts.p_value,
            "whole": one["total"].over_mixtures.mean,
        },
        {
            "own": np.trace(cosines) / 12,
            "gap": pseudo,
            "holm": joined,
            "identity": within(0, 1e-12),
            "whole": parts.difference[1] + parts.difference[2],
            "no_gap": within(np.sqrt(((c.audio["late"] - c.images) ** 2).sum(axis=(1, 2)).mean()) / 12, 0.02),
        },
    )


@case(
    "tsne.perplexities",
    "tsne.every_seed",
    "tsne.embed",
    "tsne.embed_all",
    "tsne.neighbour_hits",
    "tsne.separation",
    "tsne.chance_accuracy",
    "tsne.numbers",
    "tsne.points_table",
    against="scikit-learn's silhouette and neighbours, by hand",
    rtol=5e-2,
)
def maps():
    from sklearn.metrics import silhouette_score
    from sklearn.neighbors import KNeighborsClassifier

    c = clouds()
    x, labels = c.audio["late"][0], c.labels
    distances = np.linalg.norm(x[:, None] - x, axis=-1)
    found = tsne.separation([distances], labels, FEW)
    one = tsne.neighbour_hits(distances, labels, k=1)
    nearest = [
        KNeighborsClassifier(1).fit(np.delete(x, k, 0), np.delete(labels, k)).predict(x[k : k + 1])[0]
        for k in range(12)
    ]
    variants = tsne.every_seed(c, ("late",))
    drawn = tsne.embed_all(variants)
    spread = np.linalg.norm(drawn[(tsne.perplexities(12)[0], "late")], axis=1)
    table = tsne.numbers(variants, drawn, labels, FEW)
    same = tsne.embed(x, tsne.perplexities(12)[0])
    return (
        {
            "silhouette": found["silhouette"],
            "knn": found["knn"],
            "one": one.mean(),
            "chance": tsne.chance_accuracy(labels),
            "perplexities": tsne.perplexities(60),
            "trust": table.trustworthiness.dropna(),
            "points": len(tsne.points_table(drawn, labels)),
            "median": np.median(spread) / spread.max(),
            "again": np.abs(same - drawn[(tsne.perplexities(12)[0], "late")]).max(),
        },
        {
            "silhouette": silhouette_score(distances, labels, metric="precomputed"),
            "one": np.mean(np.array(nearest) == labels),
            "chance": 100 * 3 / 11,
            "perplexities": [5, 15],
            "points": 12,
            "again": 0,
        },
    )


# --- sounds ----------------------------------------------------------------------------------------------------------


@case(
    "descriptors.measure.describe",
    "descriptors.measure.middle",
    *(
        f"descriptors.notes.{n}"
        for n in ("onset_times", "onset_rate_per_s", "envelope", "Envelope", "attack_time_log10_s", "decay_time_s")
    ),
    *(
        f"descriptors.pitch.{n}"
        for n in ("periods", "Periods", "median_pitch_hz", "harmonic_to_noise_db", "inharmonicity_percent")
    ),
    *(
        f"descriptors.spectra.{n}"
        for n in (
            "window_length",
            "short_spectra",
            "long_spectra",
            "Spectra",
            "Peaks",
            "spectral_flux_percent",
            "percussive_energy_percent",
            "spectral_entropy_bit",
            "spectral_centroid_hz",
            "partials",
            "number_of_partials",
        )
    ),
    against="what the sound was made of: 220 Hz, four notes, decays of 6 per second",
    rtol=1e-3,
)
def descriptors():
    found = describe(sound(), 11025)
    onsets = notes.onset_times(sound(), 11025)
    curve, long = notes.envelope(sound(), 11025), spectra.long_spectra(sound(), 11025)
    period = pitch.periods(sound(), 11025, long)
    peaks = spectra.partials(long)
    short = spectra.short_spectra(sound(), 11025)
    single = {
        "pitch": pitch.median_pitch_hz(period),
        "hnr": pitch.harmonic_to_noise_db(period),
        "inharmonicity": pitch.inharmonicity_percent(peaks, period),
        "onsets": len(onsets),
        "rate": notes.onset_rate_per_s(onsets, 2.0),
        "attack": notes.attack_time_log10_s(curve, onsets),
        "decay": notes.decay_time_s(curve, onsets),
        "flux": spectra.spectral_flux_percent(short),
        "percussive": spectra.percussive_energy_percent(short),
        "entropy": spectra.spectral_entropy_bit(long),
        "centroid": spectra.spectral_centroid_hz(long),
        "partials": spectra.number_of_partials(peaks),
        "window": spectra.window_length(0.05, 11025),
        "middle": middle(np.arange(10), 4),
    }
    return single | {"all": list(found.values())}, {
        "pitch": within(220, 1.0),
        "onsets": within(4, 1),
        "inharmonicity": within(0, 0.5),
        "middle": [3, 4, 5, 6],
    }


@case("descriptors.spectra.running_median", "descriptors.spectra.smooth", against="scipy.ndimage, by hand")
def filters():
    from scipy.ndimage import median_filter

    x = rough(20, 1)[:, None]
    return {"median": spectra.running_median(x, 5, 0, "reflect"), "smooth": spectra.smooth(np.ones(20), 5)[8:12]}, {
        "median": median_filter(x[:, 0], 5, mode="mirror"),
        "smooth": np.ones(4),
    }


@case(
    "sound_character.correlations.spearman",
    "sound_character.correlations.permutation_p_value",
    "sound_character.correlations.rho_needed",
    "sound_character.correlations.interval_over_instruments",
    "sound_character.joint.row_rhos",
    "sound_character.joint.weighted_median",
    "sound_character.groups.assignment_p_value",
    against="scipy.stats.spearmanr, all permutations, Fisher's transformation by hand",
)
def correlation():
    from itertools import permutations

    x, y = rough(6, 1), 0.5 * rough(6, 1) + rough(6, 2)
    rho = scipy_stats.spearmanr(x, y).statistic
    null = [scipy_stats.spearmanr(x, p).statistic for p in permutations(y)]
    found = correlations.interval_over_instruments(0.6, 11)
    half = 1.959963985 * math.sqrt((1 + 0.18) / 8)
    values = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": 10.0, "e": 11.0})
    return (
        {
            "rho": correlations.spearman(x, y),
            "p": correlations.permutation_p_value(x, y),
            "needed": correlations.rho_needed(6),
            "fisher": [found.low, found.high],
            "rows": joint.row_rhos(np.stack([x, y]), np.stack([y, x])),
            "median": joint.weighted_median(np.array([1.0, 5.0, 9.0]), np.array([[1, 1, 1], [2, 1, 0], [1, 1, 0]])),
            "groups": groups.assignment_p_value(values, ("d", "e"), ("a", "b", "c")),
        },
        {
            "rho": rho,
            "p": np.mean(np.abs(null) >= abs(rho) - 1e-9),
            "fisher": np.tanh([math.atanh(0.6) - half, math.atanh(0.6) + half]),
            "rows": [rho, rho],
            "median": [5, 1, 3],
            "groups": 0.1,
        },
    )


def _gains() -> gains.OwnGains:
    return gains.own_gains(comparable(scores(), "binary"), "hier", "late")


@case(
    "sound_character.gains.OwnGains",
    "sound_character.gains.own_gains",
    "sound_character.gains.check_average",
    "sound_character.gains.seed_gains",
    "sound_character.gains.weighted_gain",
    "sound_character.gains.instrument_gains",
    "sound_character.groups.group_difference",
    "sound_character.groups.compare_groups",
    "sound_character.correlations.seed_rhos",
    "sound_character.correlations.interval_across_trainings",
    against="means of paired differences by hand",
)
def instrument_gains():
    own = _gains()
    table = gains.instrument_gains(own, FEW).set_index("instrument").sort_index()
    paired_scores = scores().pivot_table(index=["mixture_id", "instrument"], columns="method", values="sdr_db")
    apart = (paired_scores["hier"] - paired_scores["late"]).groupby("instrument").mean()
    over, again, p = gains.weighted_gain(own, {"tuba": 1.0}, FEW)
    between = groups.group_difference(own, ["tuba"], ["flute", "cello"], FEW)[0]
    told = gains.check_average(own, float(apart.mean()))
    values = pd.Series({"cello": 1.0, "flute": 2.0, "trumpet": 3.0, "tuba": 4.0})
    rhos = correlations.seed_rhos(own, values)
    trained = correlations.interval_across_trainings(own, values)
    shown = groups.compare_groups(
        [own], pd.DataFrame({index.column: values for index in correlations.INDICES}), ["tuba"], ["flute", "cello"], FEW
    )
    return (
        {
            "gains": table.gain,
            "low": table.low,
            "p": table.p_value,
            "seeds": gains.seed_gains(own).sort_index().mean(axis=1),
            "tuba": [over.mean, over.low, again.low],
            "p_tuba": p,
            "between": between.mean,
            "told": float(bool(told)),
            "rhos": rhos,
            "trained": trained.n,
            "shown": shown.difference,
        },
        {
            "gains": apart,
            "seeds": apart,
            "between": apart["tuba"] - (apart["flute"] + apart["cello"]) / 2,
            "told": 1,
            "trained": 4,
        },
    )


def _character() -> pd.DataFrame:
    columns = {d.column: np.abs(rough(16, 20 + k)) + 0.5 for k, d in enumerate(character.DESCRIPTORS)}
    names = np.repeat(["cello", "flute", "trumpet", "tuba"], 4)
    return pd.DataFrame({"clip_id": [f"s{i}" for i in range(16)], "instrument": names, **columns})


@case(
    "sound_character.character.instrument_character",
    "sound_character.character.comparable_values",
    "sound_character.character.z_scores",
    "sound_character.character.undefined_clips",
    "sound_character.correlations.correlate",
    "sound_character.joint.JointBootstrap",
    against="pandas medians, scipy z-scores and spearmanr",
)
def characters():
    table = _character()
    found = character.instrument_character(table)
    first = character.DESCRIPTORS[0]
    medians = table.groupby("instrument")[first.column].median()
    clips = table.assign(clip_id=[f"c{i}" for i in range(16)])
    extra = pd.concat([clips, clips.iloc[:8].assign(clip_id=[f"c{i}" for i in range(16, 24)])])
    lines = correlations.correlate([_gains()], extra, FEW).set_index("quantity")
    own = _gains().of_instruments
    both = character.instrument_character(extra)
    drawn = joint.JointBootstrap.draw(_gains(), extra, FEW)
    plain = character.comparable_values(found)[first.column]
    return (
        {
            "median": found[first.column],
            "comparable": plain,
            "z": character.z_scores(found)[first.column],
            "missing": character.undefined_clips(table).shape[0],
            "rho": lines.rho[first.column],
            "low": lines.low[first.column],
            "p": lines.p_value[first.column],
            "all": lines.rho.dropna(),
            "interval": drawn.interval(first.column, LEVEL),
        },
        {
            "comparable": np.log10(medians) if first.log else medians,
            "z": scipy_stats.zscore(plain),
            "rho": scipy_stats.spearmanr(own.reindex(both.index), both[first.column]).statistic,
            "interval": [lines.low[first.column], lines.high[first.column]],
        },
    )


# --- training speed --------------------------------------------------------------------------------------------------


@case(
    "training_speed.common_level",
    "training_speed.steps_to",
    "training_speed.speeds",
    "training_speed.paired_by_seed",
    "training_speed.interval_over_seeds",
    "training_speed.speed_table",
    against="by hand; scipy's t interval",
)
def speeds():
    lines = [
        (row, seed, f"{row}-s{seed}", step, s * step / 10 + seed)
        for row, s in (("late", 1), ("hier", 2))
        for seed in (0, 1)
        for step in (10, 20, 30)
    ]
    curves = pd.DataFrame(lines, columns=["row", "seed", "run_id", "step", "val_si_sdr_db"])
    table = speed.speeds(curves, 2.5)
    found = speed.interval_over_seeds(np.array([1.0, 2.0, 4.0]))
    ends = scipy_stats.t.interval(0.95, 2, np.mean([1, 2, 4]), scipy_stats.sem([1, 2, 4]))
    return (
        {
            "level": speed.common_level(curves),
            "steps": table.steps,
            "mean": table.mean_db,
            "paired": speed.paired_by_seed(table, "hier", "late", "steps"),
            "ends": [found.low, found.high],
            "lines": len(speed.speed_table(curves, [("hier", "late")])),
        },
        {
            "level": 3,
            "steps": [25, 15, 12.5, 10],
            "mean": [2, 3, 4, 5],
            "paired": [-12.5, -5],
            "ends": ends,
            "lines": 4,
        },
    )


# --- flat numbers ----------------------------------------------------------------------------------------------------


def flat(value: object) -> list[float] | float:
    """Any number, array, tensor, Series or nested sequence as plain floats."""
    if isinstance(value, torch.Tensor):
        value = value.detach().double().numpy()
    array = np.asarray(value, dtype=float)
    return float(array) if array.ndim == 0 else [float(v) for v in array.ravel()]


def computed(name: str) -> dict[str, list[float] | float]:
    """What the library gives for a case, as plain numbers."""
    return {key: flat(value) for key, value in CASES[name].compute()[0].items()}
