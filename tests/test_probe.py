"""Probing: planted truths, closed forms, and no test clip in training."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from avsep_lib.encoders.sanity import wilson_interval
from avsep_lib.errors import DataError, LeakageError
from avsep_lib.probe import __main__ as probe
from avsep_lib.probe import accuracy, fit, protocol, text

CLASSES = ("flute", "trumpet", "tuba", "xylophone")


def clouds(n_per_class: int, noise: float, seed: int, dimensions: int = 12) -> tuple[np.ndarray, pd.DataFrame]:
    """Gaussian clouds around one fixed centre per class."""
    centres = np.random.default_rng(99).standard_normal((len(CLASSES), dimensions))
    labels = np.repeat(CLASSES, n_per_class)
    rng = np.random.default_rng(seed)
    rows = np.repeat(centres, n_per_class, axis=0) + noise * rng.standard_normal((len(labels), dimensions))
    videos = [f"{seed}-{i}" for i in range(len(labels))]
    return rows, pd.DataFrame({"item": videos, "labels": labels, "videos": videos})


def pairs_of(rows: np.ndarray, items: pd.DataFrame, n: int, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Sums of two items of different classes."""
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(len(items), 2, replace=False) for _ in range(4 * n)]
    chosen = [(i, j) for i, j in chosen if items.labels[i] != items.labels[j]][:n]
    labels = ["|".join(sorted((items.labels[i], items.labels[j]))) for i, j in chosen]
    videos = [f"{items.videos[i]}|{items.videos[j]}" for i, j in chosen]
    return np.stack([rows[i] + rows[j] for i, j in chosen]), pd.DataFrame({"labels": labels, "videos": videos})


def test_separable_clouds_are_named_without_error():
    training, test = clouds(12, 0.1, 0), clouds(8, 0.1, 1)
    found = fit.fit_solos(*training)
    assert found.predict(test[0]) == list(test[1].labels)
    assert found.C in fit.PENALTIES


def test_mixtures_of_separable_clouds_get_both_labels():
    training, test = (pairs_of(*clouds(12, 0.05, seed), 120, seed) for seed in (0, 1))
    assert fit.fit_mixtures(*training).predict(test[0]) == list(test[1].labels)


def test_shuffled_labels_stay_at_chance():
    rows, items = clouds(12, 0.1, 0)
    test_rows, test_items = clouds(20, 0.1, 1)
    shares = []
    for seed in range(60):
        labels = np.random.default_rng(seed).permutation(items.labels)
        named = fit.fit_solos(rows, items.assign(labels=labels), C=1.0).predict(test_rows)
        shares.append(np.mean(np.array(named) == test_items.labels))
    assert abs(np.mean(shares) - 1 / len(CLASSES)) < 4 * np.std(shares) / math.sqrt(60)


def test_vectors_that_know_nothing_stay_at_chance():
    rng = np.random.default_rng(5)
    _, training = clouds(30, 1, 0)
    _, test = clouds(100, 1, 1)
    named = fit.fit_solos(rng.standard_normal((120, 12)), training).predict(rng.standard_normal((400, 12)))
    assert binomtest(int(np.sum(np.array(named) == test.labels)), 400, 1 / len(CLASSES)).pvalue > 1e-3


def test_folds_keep_a_video_together_and_use_every_item():
    target = np.repeat([0, 1, 2], 10)
    videos = np.array([f"v{i // 2}" for i in range(30)])
    splits = fit.solo_folds(target, videos)
    assert len(splits) == fit.FOLDS
    assert all(set(videos[train]).isdisjoint(videos[test]) for train, test in splits)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(30))


def test_mixture_folds_never_learn_a_held_out_video():
    rng = np.random.default_rng(0)
    videos = ["|".join(rng.choice([f"v{i}" for i in range(20)], 2, replace=False)) for _ in range(300)]
    splits = fit.mixture_folds(videos)
    assert len(splits) == fit.FOLDS
    for train, test in splits:
        learned, held = ({v for i in part for v in videos[i].split("|")} for part in (train, test))
        assert learned.isdisjoint(held)


def test_one_clip_per_class_still_fits_without_cross_validation():
    rows, items = clouds(1, 0.1, 0)
    assert fit.fit_solos(rows, items).C == fit.UNCHOSEN
    with pytest.raises(DataError, match="two classes"):
        fit.fit_solos(rows[:1], items[:1])


def test_two_classes_have_two_scores():
    rows, items = clouds(8, 0.1, 0)
    assert fit.fit_solos(rows[:16], items[:16]).predict(rows[:16]) == list(items.labels[:16])


def test_only_one_preset_per_class_is_learned():
    solos = pd.DataFrame(
        [("flute", "train", "73")] * 3 + [("flute", "train", "72"), ("flute", "test", "72"), ("flute", "test", "73")]
        + [("tuba", "train", "9"), ("tuba", "train", "58"), ("tuba", "test", "58")],
        columns=["labels", "split", "preset"],
    )  # fmt: skip
    assert protocol.learned_presets(solos).to_dict() == {"flute": "73", "tuba": "9"}  # 9 < 58 as numbers
    assert list(protocol.preset_role(solos)) == ["learned"] * 3 + ["new", "new", "learned", "learned", "new", "new"]


class PlantedLatents:
    """What `Latents` offers, with vectors of `clouds`; one representation knows the class, one knows nothing."""

    runs = pd.DataFrame(
        [("late", 0), ("late_align", 0), ("audio_encoder", -1)],
        index=["late-s0", "late_align-s0", "audio_encoder"],
        columns=["row", "seed"],
    )

    def __init__(self, leak: bool = False) -> None:
        parts = {split: clouds(n, 0.3, k) for k, (split, n) in enumerate({"train": 10, "val": 4, "test": 6}.items())}
        items = pd.concat([items.assign(split=split) for split, (_, items) in parts.items()], ignore_index=True)
        self._rows = np.concatenate([rows for rows, _ in parts.values()])
        if leak:
            items.loc[items.split == "test", "videos"] = items.videos[0]
        self._solos = items.assign(preset_role="learned")
        self._pair_rows, pairs = pairs_of(self._rows[:40], items[:40], 60, 0)
        held, held_pairs = pairs_of(self._rows[56:], items[56:].reset_index(drop=True), 12, 1)
        self._pair_rows = np.concatenate([self._pair_rows, held])
        pairs = pd.concat([pairs.assign(split="train"), held_pairs.assign(split="test")], ignore_index=True)
        self._pairs = pairs.assign(item=[f"m{i}" for i in range(len(pairs))])

    def items(self, group: str) -> pd.DataFrame:
        return {"solos": self._solos, "mixtures": self._pairs, "harsh": self._solos[self._solos.split != "train"]}[
            group
        ].reset_index(drop=True)

    def vectors(self, name: str, group: str) -> np.ndarray:
        rows = {"solos": self._rows, "mixtures": self._pair_rows, "harsh": self._rows[40:]}[group]
        return np.random.default_rng(0).standard_normal(rows.shape) if name == "late-s0" else rows


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return probe.all_predictions(PlantedLatents())


def test_planted_knowledge_is_found_and_planted_ignorance_is_not(predictions):
    table = accuracy.accuracies(predictions, "solos").set_index("representation")
    assert table.accuracy["late_align"] == table.accuracy["audio_encoder"] == table.macro["late_align"] == 100
    assert table.low["late"] < 25 < table.high["late"]
    assert table.accuracy["majority"] == table.chance["majority"] == 25
    mixed = accuracy.accuracies(predictions, "mixtures").set_index("representation")
    assert mixed.accuracy["late_align"] == 100
    assert mixed.chance.iloc[0] == pytest.approx(100 / 6)
    assert mixed.macro_chance.iloc[0] == 50


def test_every_item_is_predicted_once_per_representation(predictions):
    assert not predictions.duplicated(["name", "input", "split", "item"]).any()
    counts = predictions[predictions.split == "test"].groupby(["input", "name"]).size()
    assert (counts["solos"] == 24).all()
    assert (counts["mixtures"] == 12).all()


def test_control_catches_leaking_labels(predictions):
    low, high = accuracy.control_interval(predictions)
    assert low < 25 < high
    cheating = predictions.assign(
        correct=predictions.correct.where(predictions.representation != "shuffled", predictions.seed % 5 > 0)
    )
    assert accuracy.control_interval(cheating)[0] > 25


def test_a_test_video_in_training_is_an_error():
    with pytest.raises(LeakageError, match="'0-0' both trains and tests"):
        probe.all_predictions(PlantedLatents(leak=True))


def test_a_leak_through_one_half_of_a_mixture_is_an_error():
    training, test = (pd.DataFrame({"videos": videos}) for videos in (["a|b", "c|d"], ["e|f", "g|c"]))
    with pytest.raises(LeakageError, match="'c'"):
        protocol.check_disjoint(training, test)
    protocol.check_disjoint(training, test[:1])


def test_macro_accuracy_weighs_classes_not_items():
    kept = pd.DataFrame({"truth": ["a"] * 9 + ["b"], "predicted": ["a"] * 10})
    assert accuracy.macro_accuracy(kept) == 50
    pairs = pd.DataFrame({"truth": ["a|b", "a|c"], "predicted": ["a|c", "a|b"]})
    assert accuracy.macro_accuracy(pairs) == pytest.approx(100 / 3)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (59, 119), (71, 119), (119, 119)])
def test_wilson_is_that_of_scipy(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson_interval(hits, n), expected, atol=1e-6)
    matrix = pd.DataFrame([[100.0] * hits + [0.0] * (n - hits)])
    np.testing.assert_allclose(accuracy.wilson(matrix), [100 * e for e in expected], atol=1e-4)
    np.testing.assert_allclose(accuracy.wilson(pd.concat([matrix] * 3)), [100 * e for e in expected], atol=1e-4)


def test_mcnemar_is_the_binomial_test_on_disagreements():
    a = np.array([1] * 15 + [0] * 4 + [1] * 50 + [0] * 20)
    b = np.array([0] * 15 + [1] * 4 + [1] * 50 + [0] * 20)
    assert accuracy.mcnemar(a, b) == pytest.approx(binomtest(15, 19).pvalue)
    assert accuracy.mcnemar(b, a) == accuracy.mcnemar(a, b)
    assert accuracy.mcnemar(a, a) == 1


def test_difference_is_in_points_and_pairs_items(predictions):
    table = accuracy.differences(predictions, ["solos"], [("late_align", "late"), ("hier", "late")])
    (line,) = table.itertuples()
    own = accuracy.accuracies(predictions, "solos").set_index("representation").accuracy
    assert line.difference == pytest.approx(own["late_align"] - own["late"])
    assert line.low > 0
    assert line.p_value < 0.01
    assert np.isnan(line.seeds_low)
    kept = accuracy.part(predictions, "solos")
    matrices = [accuracy.correct_matrix(kept, name) for name in ("late_align", "late")]
    assert line.mcnemar == {0: accuracy.mcnemar(*(m.loc[0] for m in matrices))}


def test_unknown_representation_and_input_are_named(predictions):
    with pytest.raises(DataError, match="no representation 'hier'"):
        accuracy.correct_matrix(predictions, "hier")
    with pytest.raises(DataError, match="no probe predictions of duets"):
        accuracy.part(predictions, "duets")


def test_outcome_reads_the_csv(predictions, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "results" / "toy" / "analysis").mkdir(parents=True)
    monkeypatch.setenv("AVSEP_ROOT", str(tmp_path))
    with pytest.raises(DataError, match=r"probe-music11\.csv is missing"):
        accuracy.accuracy_outcome("toy", "late_align", "late")
    predictions.to_csv(tmp_path / "results" / "toy" / "analysis" / "probe-music11.csv", index=False)
    found = accuracy.accuracy_outcome("toy", "late_align", "late")
    assert found.unit == "points"
    assert found.items == "clips"
    assert found.over_items.low > 0
    assert found.runs == ("late-s0", "late_align-s0")
    assert "clips like these 24" in found.over_items.statement
    assert found.note.startswith("solos, as recorded: +")
    assert found.tested_as == "Late + align − Late, probe accuracy, solos, recorded once more"


def test_tables_for_readers(predictions):
    harsh, plain, mixed = (accuracy.accuracies(predictions, name) for name in accuracy.INPUTS)
    table = text.table4_text(harsh, plain)
    assert list(table.representation)[-2:] == ["Commonest class", "Chance"]
    assert table.set_index("representation")["paper (%)"]["Frozen audio encoder (teacher)"] == "59.7"
    assert table["recorded once more (%)"].iloc[-1] == "25.0"
    assert text.mixtures_text(mixed)["both right (%)"].iloc[-1] == "16.7"
    assert len(text.differences_text(accuracy.differences(predictions, ["solos"]))) == 2
    assert len(text.difficulty_text({"solos": accuracy.accuracies(predictions, "solos", "val")})) == len(harsh) + 1


def test_confusion_rows_are_shares(predictions):
    table = accuracy.confusion(accuracy.part(predictions, "solos"), "late_align")
    np.testing.assert_allclose(table, 100 * np.eye(4))
    np.testing.assert_allclose(accuracy.confusion(accuracy.part(predictions, "solos"), "late").sum(axis=1), 100)


# --- data that nobody rendered ---------------------------------------------------------------------------------------


def controls(truth: list[str], named: list[list[str]]) -> pd.DataFrame:
    """Predictions of a control, one list per shuffle."""
    return pd.DataFrame(
        [
            {"representation": "shuffled", "seed": seed, "input": "solos", "split": "test", "item": f"c{i}"}
            | {"truth": label, "predicted": found, "correct": label == found, "preset_role": "learned"}
            for seed, answers in enumerate(named)
            for i, (label, found) in enumerate(zip(truth, answers))
        ]
    )


def test_chance_of_a_control_is_that_of_its_own_answers():
    equal = controls(["a", "a", "b", "b"], [["a", "b", "a", "a"], ["b", "b", "b", "b"]])
    assert accuracy.control_chance(equal) == pytest.approx(accuracy.chance(equal)[0])
    large = controls(["a", "a", "a", "b"], [["a", "a", "a", "a"]])
    assert accuracy.control_chance(large) == pytest.approx(75)  # naming the large class is right three times in four


def test_classes_without_presets_are_all_learned_and_it_is_said():
    solos = pd.DataFrame({"labels": ["二胡", "1"], "split": ["train", "train"], "preset": ["", ""]})
    assert (protocol.preset_role(solos) == "learned").all()
    told = text.protocol_text(controls(["1", "2"], [["1", "1"]]))
    assert told.startswith("2 classes")
    assert "no presets are known" in told


def test_two_classes_have_one_pair_and_chance_is_certainty():
    rows, items = clouds(8, 0.1, 0)
    two = items.labels.isin(CLASSES[:2]).to_numpy()
    pairs, labels = pairs_of(rows[two], items[two].reset_index(drop=True), 20, 0)
    assert set(fit.fit_mixtures(pairs, labels).predict(pairs)) == {"flute|trumpet"}
