"""Exercises: answers computed from planted data, folded, never an error; the glossary that the tour links to."""

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scores_fixture import synthetic_scores

from avsep_lib import tables
from avsep_lib.common_set import METRICS
from avsep_lib.exercises import (
    Answer,
    ablation,
    audit,
    db,
    encoders,
    fusion_stages,
    gap,
    percent,
    probing,
    separation,
    unanswered,
)
from avsep_lib.exercises import dataset as of_dataset
from avsep_lib.exercises import network as of_network
from avsep_lib.exercises import qualitative as of_examples
from avsep_lib.exercises import training as of_training
from avsep_lib.intervals import Resampling
from avsep_lib.modality_gap.clouds import Clouds
from avsep_lib.parameters import NOTEBOOKS
from avsep_lib.paths import project_root
from avsep_lib.plots.style import METRIC_LABELS
from avsep_lib.settings import ModelSettings, TrainingSettings

FOLDER = project_root() / "notebooks"
WITH_EXERCISES = [stem for stem in NOTEBOOKS if stem[:2] in {f"{n:02}" for n in (*range(1, 12), 13, 14)}]


def cannot(answer):
    return answer.found.startswith("These data cannot tell")


# --- folding ------------------------------------------------------------------------------------------------------------


class Balance(HTMLParser):
    """Open elements; fails on a close that does not match."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_an_answer_is_folded_escaped_and_needs_no_script():
    page = Answer("5 < 6 & more", "because", {"a <b>": "1"})._repr_html_()
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert [tag for tag, _ in parser.seen][:2] == ["details", "summary"]
    assert "open" not in parser.seen[0][1], "it would be unfolded from the start"
    assert not any(tag == "script" or any(name.startswith("on") for name in attrs) for tag, attrs in parser.seen)
    assert "5 &lt; 6 &amp; more" in page
    assert "a &lt;b&gt;" in page
    assert "5 < 6" not in repr(Answer("5 < 6", "because")), "plain text cannot be folded, so it tells nothing"


def test_numbers_for_readers():
    assert (db(-1.234), db(math.inf), db(0.5, "+")) == ("−1.23 dB", "infinite", "+0.50 dB")
    assert (percent(0.091), percent(0.43), percent(0.0)) == ("9.1 %", "43 %", "0 %")
    assert cannot(unanswered("too few"))


# --- 01 ----------------------------------------------------------------------------------------------------------------


def levels(gap_db, n=12, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (split, label, True, base + rng.normal(0, 0.5))
        for split in ("train", "test")
        for label, base in (("bell", -20.0), ("drum", -20.0 + gap_db))
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["split", "labels", "solo", "level_dbfs"])


def test_loudness_that_gives_a_class_away_is_found_and_equal_loudness_is_not():
    assert of_dataset.told_by_level(levels(10.0)).found.startswith("Right for 100 % of 24 test solos, more often than")
    assert "no more often than guessing" in of_dataset.told_by_level(levels(0.0)).found
    assert cannot(of_dataset.told_by_level(levels(0.0).query("labels == 'bell'")))


def test_the_mixture_scores_the_difference_of_the_levels():
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, 50_000)) * np.array([[2.0], [1.0]])
    found = of_dataset.mixture_as_estimate(parts).found
    first, second, mean = (float(x.replace("−", "-")) for x in re.findall(r"[+−]\d+\.\d+", found))
    assert (first, second, mean) == pytest.approx((6.02, -6.02, 0.0), abs=0.1)
    assert cannot(of_dataset.mixture_as_estimate(np.zeros((2, 10))))


def test_splitting_clips_leaks_only_where_videos_have_several():
    one = pd.DataFrame({"clip_id": range(40), "video_id": range(40), "split": ["train"] * 30 + ["test"] * 10})
    assert of_dataset.clips_split_instead_of_videos(one).found.startswith("0 %")
    four = one.assign(video_id=np.arange(40) // 4)
    assert of_dataset.clips_split_instead_of_videos(four).found.startswith(percent(1 - 0.25**3))


# --- 02 ----------------------------------------------------------------------------------------------------------------


def test_hits_needed_are_the_fewest_that_guessing_seldom_reaches():
    from scipy.stats import binom

    for n, chance in ((176, 1 / 11), (10, 0.5), (2, 0.5)):
        need = encoders.hits_needed(n, chance)
        assert binom.sf(need - 1, n, chance) <= 0.05 < binom.sf(need - 2, n, chance)


def test_too_few_items_for_any_number_of_hits():
    sanity = pd.DataFrame({"n": [8], "chance": [0.25], "value": [0.25]})
    answer = encoders.hits_to_beat_chance(sanity)
    assert answer.found == "5 of 8 (62 %); guessing gives 2. The encoder got 2."
    assert answer.rows["with 2 items"].startswith("no number of 2")


def test_only_the_map_between_two_encoders_changes_when_one_is_turned(monkeypatch):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 4)
    base = np.eye(8)[labels] + 0.1 * rng.normal(size=(12, 8))
    stores = {"images": base, "sounds": base + 0.05 * rng.normal(size=base.shape)}
    monkeypatch.setattr(encoders, "clip_vectors", lambda store, ids: stores[store])
    test = type("Test", (), {"clip_ids": list(range(12)), "labels": labels})
    assert encoders.turned_space("images", "sounds", test).found.startswith("Only the map from sound to picture")


def test_the_pair_that_is_taken_for_each_other_is_named():
    alike = np.full((3, 3), 0.1)
    alike[0, 2] = alike[2, 0] = 0.9
    other = np.full((3, 3), 0.1)
    other[1, 2] = 0.8
    found = encoders.taken_for({"image and image": alike, "audio and audio": other}, ["a", "b", "c"]).found
    assert found == "Looks: a and c. Sounds: b and c; two different pairs."
    assert cannot(encoders.taken_for({}, ["a", "b"]))


# --- 03 ----------------------------------------------------------------------------------------------------------------


def test_passes_of_the_pool_and_the_flattery_of_choosing():
    training = TrainingSettings(steps=100, batch_size=16)
    assert ": 2.0 times" in of_training.times_seen(training, 800).found
    assert of_training.best_of(1) == pytest.approx(0, abs=1e-6)
    draws = np.random.default_rng(0).normal(size=(200_000, 5)).max(axis=1).mean()
    assert of_training.best_of(5) == pytest.approx(draws, abs=0.01)
    assert cannot(of_training.flattery(pd.Series([1.0, 1.0]), 5))
    assert of_training.flattery(pd.Series([0.0, 2.0, 4.0]), 2).found.startswith("Up to +0.65 dB")


# --- 04 and 06 ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return {mask: tables.comparable(synthetic_scores(), mask) for mask in tables.MASKS}


RESAMPLING = Resampling(200, 1)


def test_a_mask_of_ones_has_the_mixtures_scores(data):
    rows = data["binary"].scores.query("method == 'mixture'")
    assert separation.mask_of_ones(data["binary"]).found == (
        f"SDR {db(rows.sdr_db.mean())}, SIR {db(rows.sir_db.mean())}, SAR infinite."
    )


def test_the_room_between_floor_and_ceiling_is_shared_as_planted(data):
    summaries = {mask: tables.summary(d, ("sdr_db",), RESAMPLING) for mask, d in data.items()}
    answer = separation.share_of_the_room(summaries)
    share = int(re.match(r"(\d+) %", answer.rows["binary masks"])[1])
    assert share == pytest.approx(100 * 2.9 / 7.6, abs=4)
    assert "Hierarchical + align" in answer.rows["binary masks"]


def test_a_quarter_of_the_mixtures_doubles_the_interval(data):
    width = float(separation.a_quarter_of_the_mixtures(data["binary"], RESAMPLING).found.split()[0])
    assert 1.4 < width < 2.8
    few = tables.comparable(synthetic_scores(n_mixtures=8), "binary")
    assert cannot(separation.a_quarter_of_the_mixtures(few, RESAMPLING))


def test_pairing_removes_what_mixtures_share(data):
    rows = ablation.without_pairing(data["binary"]).rows
    paired, apart = (float(rows[f"standard error, {kind}"].split()[0]) for kind in ("paired", "unpaired"))
    assert apart > 2 * paired  # mixtures differ by 2 dB, rows of a mixture by less than 1


def test_lines_that_only_hold_for_these_models_are_counted():
    line = {"low": 0.1, "high": 0.9, "seeds_low": 0.05, "seeds_high": 1.0}
    found = pd.DataFrame([line, line | {"seeds_low": -0.2}, line | {"low": -0.1}, line | {"seeds_low": np.nan}])
    assert ablation.seeds_held_fixed(found).found.startswith("2 lines of 3 clear of zero for these models; 1 of them")
    assert cannot(ablation.seeds_held_fixed(found.iloc[3:]))


def test_an_order_that_seeds_can_turn_is_counted():
    rows = [
        ("late", 0, 1.0),
        ("late", 1, 3.0),
        ("middle", 0, 2.0),
        ("middle", 1, 2.2),
        ("hier", 0, 9.0),
        ("hier", 1, 9.1),
    ]
    seeds = pd.DataFrame(rows, columns=["method", "seed", "sdr_db"])
    found = ablation.one_training_each(seeds).found
    assert found.startswith("For 1 of 3 pairs")
    assert "Middle against Late, in 50 %" in found
    assert cannot(ablation.one_training_each(seeds.query("seed == 0")))


# --- 05 ----------------------------------------------------------------------------------------------------------------


def test_dots_are_counted_before_and_after_the_correction():
    table = pd.DataFrame(
        {"p_value": [0.001, 0.03, 0.5, np.nan], "p_holm": [0.003, 0.06, 0.5, np.nan], "rho": [0.9, -0.7, 0, 0]}
    )
    assert fusion_stages.dots_by_chance(table).found.startswith("0.2 of 3 by chance; there are 2, and 1 after")
    assert cannot(fusion_stages.dots_by_chance(table.iloc[3:]))


def test_trainings_that_rank_instruments_alike_or_not():
    seeds = pd.DataFrame({0: [1.0, 2, 3, 4], 1: [1.0, 2, 3, 5], 2: [4.0, 3, 2, 1]}, index=["a", "b", "c", "d_e"])
    found = fusion_stages.order_of_instruments(seeds).found
    assert "-1.00 to +1.00" in found
    assert "d e, d e, a" in found
    assert cannot(fusion_stages.order_of_instruments(seeds[[0]]))


def test_the_widest_and_the_narrowest_interval_are_named():
    table = pd.DataFrame({"instrument": ["a", "b"], "low": [0.5, -3.0], "high": [1.0, 4.0]})
    found = fusion_stages.instrument_against_all(table).found
    assert found == "From 0.50 dB (a) to 7.00 dB (b); 1 of 2 clear of zero."


# --- 07 ----------------------------------------------------------------------------------------------------------------


def accuracies(**by_name):
    rows = [(name, 176, value, 100 / 11) for name, value in by_name.items()]
    return pd.DataFrame(rows, columns=["representation", "n_items", "accuracy", "chance"])


def test_six_clips_are_the_least_that_mcnemar_can_call_different():
    from avsep_lib.probe.accuracy import mcnemar

    n = probing.clips_apart()
    assert mcnemar([1] * n, [0] * n) < 0.05 <= mcnemar([1] * (n - 1), [0] * (n - 1))
    assert "with 119 it is 5.0 %" in probing.one_clip_more(accuracies(late=50.0)).found


def test_both_names_beside_the_square():
    found = probing.naming_both(accuracies(late=80.0, hier=40.0), accuracies(late=70.0, hier=10.0)).found
    assert found == "Late: 80 % on solos, squared 64 %; found 70 %, more than the square."
    assert cannot(probing.naming_both(accuracies(late=80.0), accuracies(hier=1.0)))


def test_the_representation_that_knows_the_room_loses_most():
    found = probing.recorded_once_more(accuracies(late=30.0, hier=55.0), accuracies(late=80.0, hier=60.0)).found
    assert found.startswith("Late loses most, 50 points; Hierarchical least, 5.")


# --- 08 ----------------------------------------------------------------------------------------------------------------


def test_a_gap_at_right_angles_is_the_hypotenuse():
    table = pd.DataFrame(
        {"row": ["late", "hier"], "gap": [0.5, 0.3], "audio_norm": [0.3, 0.3], "image_norm": [0.4, 0.4]}
    )
    assert "0.100 in the median row and by 0.200 at most (Hierarchical)" in gap.orthogonal_means(table).found


def test_subtraction_closes_a_gap_and_finds_no_pictures():
    rng = np.random.default_rng(2)
    labels = np.repeat(["a", "b"], 20)
    unit = lambda rows: rows / np.linalg.norm(rows, axis=-1, keepdims=True)  # noqa: E731
    sounds = unit(rng.normal(size=(1, 40, 16)) + 3)
    clouds = Clouds({"late": sounds}, unit(rng.normal(size=(40, 16)) - 3), labels, {"late": [0]}, {"late": ["late-s0"]})
    found = gap.gap_closed_by_subtraction(clouds).found
    _, after, chance = (float(x) for x in re.findall(r"(\d+(?:\.\d)?) %", found))
    assert chance == 50
    assert abs(after - chance) < 30
    one = Clouds(clouds.audio, clouds.images, np.repeat(["a"], 40), clouds.seeds, clouds.names)
    assert cannot(gap.gap_closed_by_subtraction(one))


# --- 09, 10 and 11 -----------------------------------------------------------------------------------------------------


def planted_example(masks):
    waveform = np.random.default_rng(0).normal(size=100)
    item = type("Item", (), {"waveform": waveform})
    return type(
        "Example", (), {"masks": {"r": masks}, "estimates": {"r": np.stack([waveform, 0 * waveform])}, "item": item}
    )


def test_masks_that_add_up_and_masks_that_do_not():
    half = np.full((2, 4, 5), 0.5)
    assert of_examples.sum_of_masks([planted_example(half)], "r").found.startswith("Yes, nearly")
    full = np.stack([np.ones((4, 5)), np.ones((4, 5))])
    answer = of_examples.sum_of_masks([planted_example(full)], "r")
    assert answer.found.startswith("No: the mean sum is 2.00, and 100 %")
    assert answer.rows["mixture minus estimates, relative to the mixture"] == "−200.00 dB"


def test_exchanged_pictures_are_scored_by_a_model(project, monkeypatch):
    """A trained toy run: the answer has the scores of its own estimates, and of those with exchanged queries."""
    from avsep_lib.config import load_profile
    from avsep_lib.examples import open_bench, separate

    monkeypatch.setenv("AVSEP_ROOT", str(project.root))
    bench = open_bench(load_profile("toy"), ["late-s0"])
    found = separate(bench, [bench.scores["late-s0"].mixture_id.iloc[0]], "soft")
    answer = of_examples.pictures_exchanged(bench, found, "late-s0", "soft")
    assert answer.found.startswith("Mean SDR") or cannot(answer)
    if not cannot(answer):
        assert f"instead of {db(found[0].scores.sdr_db.mean())}" in answer.found


def test_parameters_are_counted():
    small = ModelSettings(channels=(4, 8, 512), n_maps=4)
    assert "late, middle, hierarchical" in of_network.cost_of_fusion(small).found
    assert re.match(r"[\d,]+ instead of [\d,]+: \d\.\d times fewer", of_network.half_as_wide(small).found)


def claim(verdict, p_holm, **more):
    line = {"verdict": verdict, "trained_again": "inconclusive", "p_holm": p_holm, "unit": "dB", "items": "mixtures"}
    return line | {"n": 88, "detectable_effect": 0.8, "tested_as": "A − B, SDR"} | more


def test_verdicts_by_chance_and_mixtures_needed():
    found = pd.DataFrame(
        [
            claim("supported", 0.01),
            claim("contradicted", 0.5),
            claim("inconclusive", 1.0),
            claim("not testable here", np.nan, detectable_effect=np.nan),
        ]
    )
    assert audit.verdicts_by_chance(found).found.startswith("0.2 of 3 by chance; there are 2, of which 1 survive")
    assert audit.mixtures_needed(found).found.startswith("About 5,600; 88 mixtures find 0.80 dB")
    assert cannot(audit.verdicts_by_chance(found.iloc[3:]))
    assert cannot(audit.mixtures_needed(found.iloc[3:]))


# --- in the notebooks --------------------------------------------------------------------------------------------------


def cells(stem):
    return json.loads((FOLDER / f"{stem}.ipynb").read_text())["cells"]


@pytest.mark.parametrize("stem", WITH_EXERCISES)
def test_every_analysis_notebook_asks_before_it_answers(stem):
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells(stem)]
    start = next(i for i, (_, text) in enumerate(texts) if text.startswith("## Predict, then check"))
    end = next(i for i, (_, text) in enumerate(texts) if text.startswith("## What this does not show"))
    assert end - start in (4, 6), "two or three questions, each with its answer"
    for number, (question, answer) in enumerate(zip(texts[start:end:2], texts[start + 1 : end : 2]), start=1):
        assert question[0] == "markdown"
        assert f"**{number}.**" in question[1]
        assert "?" in question[1]
        assert answer[0] == "code"
        assert answer[1].startswith("exercises.")
        assert len(answer[1].splitlines()) == 1


# --- the glossary ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def glossary():
    """Text by anchor, and the terms in order."""
    text = (FOLDER / "glossary.md").read_text()
    entries = [re.match(r'<a id="([^"]+)"></a>([^\n]+)\n\n(.+)', part, re.DOTALL) for part in text.split("\n### ")[1:]]
    assert all(entries), "an entry without an anchor, or without a text"
    return {entry[1]: (entry[2], entry[3]) for entry in entries}


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_terms_are_in_alphabetical_order_and_anchors_are_theirs(glossary):
    terms = [term for term, _ in glossary.values()]
    plain = [re.sub(r"[^a-z0-9]", "", term.lower()) for term in terms]
    assert plain == sorted(plain)
    for anchor, (term, _) in glossary.items():
        assert anchor == re.sub(r"[^a-z0-9-]", "", term.lower().replace(" ", "-"))


def test_every_entry_is_short_and_says_where_its_word_is_used(glossary):
    for term, body in glossary.values():
        definition = body.split("\n\n")[0]
        assert 3 <= len(definition.split()) <= 70, term
        assert "*Here:* [" in body, term


def test_links_of_the_glossary_resolve(glossary):
    for term, body in glossary.values():
        for target in links(body):
            if target.startswith("#"):
                assert target[1:] in glossary, f"{term} links to {target}"
            elif not target.startswith("https://doi.org/10."):
                assert (FOLDER / target).is_file(), f"{term} links to {target}"


def test_every_term_that_a_notebook_links_exists(glossary):
    linked = {
        (path.stem, target.partition("#")[2])
        for path in FOLDER.glob("*.ipynb")
        for cell in cells(path.stem)
        for target in links("".join(cell["source"]))
        if target.startswith("glossary.md#")
    }
    assert len({anchor for stem, anchor in linked if stem == "00_start_here"}) > 15
    assert not [(stem, anchor) for stem, anchor in linked if anchor not in glossary]


def test_every_link_of_the_tour_leads_somewhere():
    for cell in cells("00_start_here"):
        for target in links("".join(cell["source"])) if cell["cell_type"] == "markdown" else ():
            name = target.partition("#")[0]
            assert (FOLDER / name).is_file(), target


def test_every_metric_has_an_entry(glossary):
    named = {
        name
        for _, body in glossary.values()
        for line in re.findall(r"\*Columns:\* ([^*]+)", body)
        for name in re.findall("`([^`]+)`", line)
    }
    scored = {*METRICS, *METRIC_LABELS, "mixture_sdr_db", "mixture_si_sdr_db", "val_si_sdr_db"}
    shown = {
        "SDR (dB)",
        "SIR (dB)",
        "SAR (dB)",
        "SDR, trained again",
        "gap",
        "silhouette",
        "trustworthiness",
        "p (Holm)",
    }
    assert scored | shown <= named
