"""The modality gap: closed forms on clouds whose gap, spread and direction are planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, ortho_group

from avsep_lib import modality_gap, tsne
from avsep_lib.comparisons import holm
from avsep_lib.errors import DataError
from avsep_lib.intervals import Resampling, interval_over_mixtures
from avsep_lib.modality_gap import centroids, pairing, tables, text
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.probe.text import p_text

QUICK = Resampling(400)
DIMENSIONS = 48


def cloud(n: int, concentration: float, axis: int, seed: int) -> np.ndarray:
    """Unit vectors around a coordinate axis; the larger the concentration, the nearer to it."""
    rows = np.random.default_rng(seed).standard_normal((n, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    rows[:, axis] += concentration
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def planted(**audio: np.ndarray) -> Clouds:
    """Clouds of 60 clips in six classes; the pictures lie around the first axis."""
    labels = np.repeat([f"c{i}" for i in range(6)], 10)
    stacked = {row: np.atleast_3d(a) if a.ndim == 3 else a[None] for row, a in audio.items()}
    seeds = {row: list(range(len(a))) for row, a in stacked.items()}
    names = {row: [f"{row}-s{s}" for s in seeds[row]] for row in stacked}
    return Clouds(stacked, cloud(60, 1.0, 0, 100), labels, seeds, names)


def test_orthogonal_points_have_the_gap_of_pythagoras():
    found = centroids.quantities(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert found["gap"] == pytest.approx(np.sqrt(2))
    assert found["cosine"] == 0
    assert centroids.quantities(np.array([1.0, 0.0]), np.array([1.0, 0.0]))["gap"] == 0


def test_the_papers_number_needs_no_touching_clouds():
    assert centroids.gap_from(0.83, 0.83, 0.0) == pytest.approx(1.174, abs=1e-3)


def test_identity_of_gap_norms_and_cosine():
    rng = np.random.default_rng(0)
    found = centroids.quantities(rng.standard_normal((5, 9)), rng.standard_normal(9))
    parts = (found[name] for name in ("audio_norm", "image_norm", "cosine"))
    np.testing.assert_allclose(found["gap"], centroids.gap_from(*parts), rtol=1e-12)


def test_influence_of_a_plain_mean_is_the_value_itself():
    values = np.random.default_rng(1).standard_normal((3, 20))
    without = (values.sum(axis=1, keepdims=True) - values) / 19
    np.testing.assert_allclose(centroids.influence(values.mean(axis=1), without), values)


def test_bias_of_few_clips_is_taken_away():
    """The mean of 15 vectors is longer than that of 4000; its pseudo-values know by how much."""
    many, images = cloud(4000, 0.5, 1, 0), cloud(4000, 0.5, 0, 1)
    true = {name: float(v) for name, v in centroids.quantities(many.mean(axis=0), images.mean(axis=0)).items()}
    plain, corrected = [], []
    for i in range(0, 3000, 15):
        few = many[None, i : i + 15], images[i : i + 15]
        plain.append(centroids.quantities(few[0].mean(axis=1), few[1].mean(axis=0))["gap"])
        corrected.append(centroids.influences(*few)["gap"].mean())
    assert np.mean(plain) > true["gap"] + 0.04
    assert abs(np.mean(corrected) - true["gap"]) < 0.015


def test_identity_error_is_rounding():
    assert tables.identity_error(planted(hier=cloud(60, 1, 1, 0))) < 1e-12


def test_interval_is_that_of_the_direct_bootstrap_over_clips():
    audio, images = cloud(120, 0.8, 1, 0), cloud(120, 1, 0, 1)
    over = interval_over_mixtures(centroids.influences(audio[None], images)["gap"])

    def gap(index: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.linalg.norm((audio - images)[index].mean(axis=-2), axis=-1)

    direct = bootstrap((np.arange(120),), gap, n_resamples=1500, method="BCa", batch=100, rng=np.random.default_rng(0))
    width = over.high - over.low
    assert abs(direct.confidence_interval.low - over.low) < 0.1 * width
    assert abs(direct.confidence_interval.high - over.high) < 0.1 * width


def test_rotation_baseline_is_that_of_drawn_rotations():
    audio, images = cloud(40, 1, 0, 0), cloud(40, 1, 0, 1)
    mean_audio, mean_image = audio.mean(axis=0), images.mean(axis=0)
    turned = ortho_group.rvs(DIMENSIONS, size=1500, random_state=0) @ mean_audio
    drawn = np.linalg.norm(turned - mean_image, axis=1)
    median, low, high = centroids.rotated(*map(np.linalg.norm, (mean_audio, mean_image)), DIMENSIONS)
    np.testing.assert_allclose([median, low, high], np.quantile(drawn, [0.5, 0.025, 0.975]), atol=0.02)
    cosines = turned @ mean_image / np.linalg.norm(mean_audio) / np.linalg.norm(mean_image)
    assert centroids.p_rotated(0.2, DIMENSIONS) == pytest.approx(np.mean(np.abs(cosines) >= 0.2), abs=0.03)
    assert centroids.p_rotated(0.0, DIMENSIONS) == 1


def test_spreading_cloud_is_told_from_an_approaching_one():
    clouds = planted(hier=cloud(60, 2, 1, 0), hier_align=cloud(60, 0.4, 1, 0), late=cloud(60, 2, 1, 0))
    spread = tables.attributions(clouds, [("hier_align", "hier")], QUICK).set_index("part")
    assert spread.difference["total"] < -0.2
    assert abs(spread.difference["direction"]) < 0.1 * abs(spread.difference["spread"])
    near = np.copy(cloud(60, 2, 1, 0))
    near[:, 0] += 1.5
    turned = planted(late_align=near / np.linalg.norm(near, axis=1, keepdims=True), late=cloud(60, 2, 1, 0))
    parts = tables.attributions(turned, [("late_align", "late")], QUICK).set_index("part")
    assert parts.difference["total"] < -0.2
    assert abs(parts.difference["spread"]) < 0.2 * abs(parts.difference["direction"])
    assert parts.high["direction"] < 0


def test_parts_of_a_difference_add_up():
    a, b = ({"audio_norm": x, "image_norm": 0.6, "cosine": c} for x, c in ((0.5, 0.3), (0.9, -0.2)))
    found = centroids.attribution(a, b)
    assert found["spread"] + found["direction"] == pytest.approx(found["total"])
    assert found["total"] == pytest.approx(centroids.gap_from(0.5, 0.6, 0.3) - centroids.gap_from(0.9, 0.6, -0.2))
    assert centroids.attribution(a, a) == {"total": 0, "spread": 0, "direction": 0}
    same_direction = centroids.attribution({**a, "cosine": 0.1}, {**b, "cosine": 0.1})
    assert same_direction["direction"] == pytest.approx(0, abs=1e-12)


def test_sounds_at_their_own_pictures_are_found_and_arbitrary_ones_are_not():
    images = cloud(60, 1.0, 0, 100)
    rng = np.random.default_rng(0)
    near = images + 0.05 * rng.standard_normal(images.shape)
    own = pairing.pairing(planted(hier=near / np.linalg.norm(near, axis=1, keepdims=True)), "hier")
    assert own["own"] > own["class"] + 0.1
    assert own["p_own"] < 0.01
    other = pairing.pairing(planted(hier=cloud(60, 1, 1, 7)), "hier")
    assert min(other["p_own"], other["p_class"]) > 0.01


def test_classes_that_share_a_direction_are_found():
    clouds = planted(hier=cloud(60, 1, 1, 0))
    index = np.repeat(np.arange(6), 10)
    for rows in (clouds.images, clouds.audio["hier"][0]):
        rows[np.arange(60), 10 + index] += 0.8
    found = pairing.pairing(clouds, "hier")
    assert found["class"] > found["other"] + 0.1
    assert found["p_class"] < 0.01
    assert found["p_own"] > 0.01


def test_a_gap_that_is_none_is_small_and_the_real_one_larger():
    clouds = planted(hier=cloud(60, 2, 1, 0), late=cloud(60, 1.0, 0, 100))
    assert pairing.no_gap(clouds, "hier") < 0.25
    assert tables.gap_table(clouds, QUICK).set_index("row").gap["hier"] > 1
    assert pairing.no_gap(clouds, "late") == tables.gap_table(clouds, QUICK).set_index("row").gap_plain["late"] == 0


def test_table_holds_every_seed_and_matches_it():
    audio = np.stack([cloud(60, c, 1, seed) for seed, c in enumerate((1, 1.1, 1.2))])
    clouds = planted(hier=audio)
    table, seeds = tables.gap_table(clouds, QUICK).iloc[0], tables.seed_values(clouds)
    assert table.n_seeds == 3
    for name in centroids.QUANTITIES:
        assert table[name] == pytest.approx(seeds[name].mean())
        assert table[f"{name}_low"] < table[name] < table[f"{name}_high"]
    assert table.gap_seeds_high - table.gap_seeds_low > table.gap_high - table.gap_low


def test_difference_of_identical_rows_is_nothing():
    audio = cloud(60, 1, 1, 0)
    found = tables.part_differences(planted(hier=audio, hier_align=audio), "hier_align", "hier", QUICK)
    for part in centroids.ATTRIBUTED:
        assert found[part].over_mixtures.mean == 0
        assert found[part].p_value == 1


def test_unknown_row_and_missing_seed_are_named():
    clouds = planted(hier=cloud(60, 1, 1, 0))
    with pytest.raises(DataError, match="no latents of row 'late'"):
        clouds.of("late")
    odd = Clouds({"a": clouds.of("hier"), "b": clouds.of("hier")}, clouds.images, clouds.labels,
                 {"a": [0], "b": [1]}, {"a": ["a-s0"], "b": ["b-s1"]})  # fmt: skip
    with pytest.raises(DataError, match="share no seed"):
        tables.attributions(odd, [("a", "b")], QUICK)


def test_outcome_says_what_made_the_difference(monkeypatch):
    clouds = planted(hier=cloud(60, 2, 1, 0), hier_align=cloud(60, 0.4, 1, 0))
    monkeypatch.setattr("avsep_lib.modality_gap.outcome.load_clouds", lambda profile, dataset: clouds)
    found = modality_gap.gap_outcome("toy", "hier_align", "hier", resampling=QUICK)
    assert found.unit == "1"
    assert found.over_items.high < 0
    assert "clips like these 60" in found.over_items.statement
    assert found.runs == ("hier-s0", "hier_align-s0")
    assert "by the audio cloud's spread" in found.note
    parts = [modality_gap.gap_outcome("toy", "hier_align", "hier", part=part) for part in ("spread", "direction")]
    assert sum(part.over_items.mean for part in parts) == pytest.approx(found.over_items.mean)
    assert parts[1].tested_as.endswith("modality gap, by direction")
    with pytest.raises(DataError, match="part 'pairing'"):
        modality_gap.gap_outcome("toy", "hier_align", "hier", part="pairing")


def test_sentence_names_the_cause_and_knows_its_limits():
    clouds = planted(hier=cloud(60, 2, 1, 0), hier_align=cloud(60, 0.4, 1, 0), late=cloud(60, 1, 1, 3))
    found = tables.attributions(clouds, [("hier_align", "hier")], QUICK)
    said = text.answer(found, "hier_align", "hier")
    assert "narrower" in said
    assert "Spread accounts for" in said
    assert "nothing can be said" in text.answer(found, "late_align", "late")
    assert "nothing can be said" in text.answer(found.assign(low=np.nan), "hier_align", "hier")
    assert "does not measurably change" in text.answer(found.assign(low=-1.0, high=1.0), "hier_align", "hier")


def test_tables_for_readers():
    clouds = planted(hier=cloud(60, 2, 1, 0), hier_align=cloud(60, 0.4, 1, 0))
    table = tables.gap_table(clouds, QUICK)
    shown = text.table5_text(table).set_index("row")
    assert list(shown["paper"]) == ["1.171", "0.976"]
    assert len(text.decomposition_text(table, pairing.pairing_table(clouds), tables.seed_values(clouds))) == 2
    parts = tables.attributions(clouds, resampling=QUICK)
    assert list(text.attribution_text(parts)["part"]) == list(text.PART_NAMES.values())
    assert list(text.attribution_text(parts)["p (Holm)"]) == [p_text(p) for p in holm(parts["p_value"])]
    assert text.attribution_text(tables.attributions(clouds, [], QUICK)).empty


def test_p_values_of_the_decomposition_are_one_family():
    seeds = pd.DataFrame({"row": ["a", "a", "b"], "p_arbitrary": [0.001, 0.4, 0.004]})
    pairs = pd.DataFrame({"row": ["a", "b"], "p_own": [0.01, np.nan], "p_class": [0.5, 0.0005]})
    new_seeds, new_pairs = tables.corrected(seeds, pairs)
    np.testing.assert_allclose(new_seeds["p_arbitrary"], [5 * 0.001, 2 * 0.4, 4 * 0.004])
    np.testing.assert_allclose(new_pairs["p_own"], [3 * 0.01, np.nan])
    np.testing.assert_allclose(new_pairs["p_class"], [0.8, 6 * 0.0005])


def test_decomposition_shows_corrected_p_values_of_the_right_rows():
    clouds = planted(hier=np.stack([cloud(60, 2, 1, 0), cloud(60, 2, 0, 3)]), late=cloud(60, 1.0, 0, 100))
    table, pairs, seeds = tables.gap_table(clouds, QUICK), pairing.pairing_table(clouds), tables.seed_values(clouds)
    assert list(seeds["p_arbitrary"].round(2)) == [seeds["p_arbitrary"][0].round(2), 0, 0]
    shown = text.decomposition_text(table, pairs, seeds).set_index("row")
    new_seeds, new_pairs = tables.corrected(seeds, pairs)
    first, second, third = new_seeds["p_arbitrary"]
    assert shown.loc["Hierarchical", "p (Holm), arbitrary direction"] == f"{p_text(second)} to {p_text(first)}"
    assert shown.loc["Late", "p (Holm), arbitrary direction"] == p_text(third)
    assert list(shown["p (Holm), own"]) == [p_text(p) for p in new_pairs["p_own"]]


def test_clouds_are_read_from_latents_and_embeddings(project, monkeypatch, tmp_path):
    from avsep_lib.config import load_profile
    from avsep_lib.encoders.store import EmbeddingStore
    from avsep_lib.latents import write_latents
    from avsep_lib.modality_gap.clouds import load_clouds

    monkeypatch.setenv("AVSEP_ROOT", str(project.root))
    path = write_latents(load_profile("toy"), "music11", tmp_path / "l.safetensors")
    monkeypatch.setattr("avsep_lib.modality_gap.clouds.require_analysis", lambda *names: path)
    clouds = load_clouds("toy")
    assert list(clouds.audio) == ["late", "untrained", "audio_encoder"]
    assert clouds.of("late").shape == (2, 8, 512)
    np.testing.assert_allclose(np.linalg.norm(clouds.of("late"), axis=-1), 1, rtol=1e-5)
    store = EmbeddingStore.open(project.data / "embeddings" / "images.safetensors")
    first = store.frames("test_flute_000")
    centre = first[len(first) // 2]
    (row,) = np.flatnonzero((clouds.images @ (centre / np.linalg.norm(centre))) > 1 - 1e-6)[:1]
    assert clouds.labels[row] == "flute"


# --- few clips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7])
def test_few_clips_have_numbers_and_perhaps_no_map(n):
    rows = np.random.default_rng(0).normal(size=(1, n, 20))
    labels = np.array([f"class {i // 2}" for i in range(n)])
    maps = tsne.embed_all({"hier": rows})
    assert bool(maps) == (n >= tsne.LEAST)
    table = tsne.numbers({"hier": rows}, maps, labels)
    assert len(tsne.numbers_text(table)) == 1 + len(maps)
    assert len(tsne.points_table(maps, labels)) == n * len(maps)


def test_clips_that_are_all_of_other_classes_have_no_silhouette():
    rows = np.random.default_rng(0).normal(size=(1, 8, 20))
    table = tsne.numbers({"hier": rows}, {}, np.array(list("abcdefgh")))
    assert np.isnan(table["silhouette"].iloc[0])
    assert "–" in tsne.numbers_text(table)["silhouette"].iloc[0]
