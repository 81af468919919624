"""Mixture lists: determinism, limits, perfect matchings, and leakage that cannot pass."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from avsep_lib.clips import ClipStore
from avsep_lib.errors import DataError, LeakageError
from avsep_lib.files import read_json
from avsep_lib.manifest import is_solo, label_list
from avsep_lib.mixtures import (
    build_lists,
    check_no_leakage,
    evaluation_list,
    load_sources,
    matched_pairs,
    partnerless_duets,
    read_list,
    training_pool,
    write_lists,
)
from avsep_lib.settings import AudioSettings, MixtureSettings

CLIP_S = 2.0
SETTINGS = MixtureSettings(pool_size=200)


def clips(counts: dict[str, int], split: str = "train", duration_s: float = 6.0) -> pd.DataFrame:
    """Manifest rows with the given number of clips per label."""
    rows = [
        {"clip_id": f"{split}-{labels}-{i}", "video_id": f"v-{split}-{labels}-{i}", "labels": labels, "split": split,
         "n_frames": int(duration_s * 8), "fps": 8, "duration_s": duration_s}
        for labels, n in counts.items() for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("clip_id", drop=False)


MIXED = clips({"flute": 5, "tuba": 4, "violin": 3, "flute|violin": 2})


def partners(table: pd.DataFrame) -> list[list[str]]:
    return [list(group.clip_id) for _, group in table.groupby("mixture_id", sort=False)]


# --- training pool ---------------------------------------------------------------------------------------------------


def test_the_pool_depends_on_the_seed_alone():
    pool = training_pool(MIXED, CLIP_S, SETTINGS)
    pd.testing.assert_frame_equal(pool, training_pool(MIXED, CLIP_S, SETTINGS))
    assert not pool.equals(training_pool(MIXED, CLIP_S, replace(SETTINGS, seed=8)))


def test_a_larger_pool_begins_with_the_smaller_one():
    larger = training_pool(MIXED, CLIP_S, replace(SETTINGS, pool_size=300))
    pd.testing.assert_frame_equal(larger.iloc[:400], training_pool(MIXED, CLIP_S, SETTINGS))


def test_gains_crops_and_frames_stay_inside_their_limits():
    pool = training_pool(MIXED, CLIP_S, SETTINGS)
    assert len(pool) == 400
    assert pool.gain.between(0.5, 1.5).all()
    assert pool.gain.max() > 1.4
    assert pool.gain.min() < 0.6
    assert pool.start_s.between(0, 6.0 - CLIP_S).all()
    assert pool.start_s.max() > 3.5
    middle = pool.frame / 8
    assert ((middle >= pool.start_s - 1 / 8) & (middle <= pool.start_s + CLIP_S)).all()  # the frame is in the crop
    assert pool.frame.between(0, 47).all()


def test_partners_share_no_class_even_in_duets():
    pool = training_pool(MIXED, CLIP_S, SETTINGS)
    labels = [[set(label_list(MIXED.labels[c])) for c in pair] for pair in partners(pool)]
    assert all(not a & b for a, b in labels)
    assert any(len(a) + len(b) == 3 for a, b in labels)  # duets take part
    solos = training_pool(MIXED, CLIP_S, replace(SETTINGS, use_duets=False))
    assert not solos.clip_id.str.contains("|", regex=False).any()


def test_every_clip_is_drawn():
    assert set(training_pool(MIXED, CLIP_S, SETTINGS).clip_id) == set(MIXED.clip_id)


def test_same_class_partners_are_a_switch_but_never_the_same_clip():
    pool = training_pool(MIXED, CLIP_S, replace(SETTINGS, same_class=True))
    pairs = partners(pool)
    assert any(MIXED.labels[a] == MIXED.labels[b] for a, b in pairs)
    assert all(a != b for a, b in pairs)


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        ({"flute": 5}, SETTINGS, "no clip of another class than 'flute'; add classes or set same_class"),
        ({"flute": 5, "flute|tuba": 1}, SETTINGS, "no clip of another class than 'flute'"),
        ({"flute|tuba": 3}, SETTINGS, "no solo clip|one clip only|no clip"),
        ({"flute": 1}, replace(SETTINGS, same_class=True), "one clip only"),
        ({"flute|tuba": 3}, replace(SETTINGS, use_duets=False), "no solo clip"),
    ],
)
def test_a_pool_without_partners_is_refused(counts, settings, message):
    with pytest.raises(DataError, match=message):
        training_pool(clips(counts), CLIP_S, settings)


def test_a_duet_of_all_classes_has_no_partner_and_is_left_out_by_name():
    table = clips({"flute": 5, "tuba": 2, "flute|tuba": 2})
    pool = training_pool(table, CLIP_S, SETTINGS)
    assert set(pool.clip_id) == set(table.clip_id[is_solo(table)])
    assert set(partnerless_duets(table)) == set(table.clip_id[~is_solo(table)])
    assert partnerless_duets(MIXED) == []
    both = training_pool(table, CLIP_S, replace(SETTINGS, same_class=True))
    assert set(both.clip_id) == set(table.clip_id)


def pool_by_definition(clips: pd.DataFrame, clip_s: float, mixtures: MixtureSettings) -> pd.DataFrame:
    """The pool as one would write it down, one DataFrame row at a time: what published seeds stand for."""
    clips = clips if mixtures.use_duets else clips[is_solo(clips)]
    rng = np.random.default_rng([mixtures.seed, 1])
    rows = []
    for i in range(mixtures.pool_size):
        first = clips.loc[rng.choice(clips.index)]
        of_first = set(label_list(first.labels))
        others = clips.index[[not of_first & set(label_list(labels)) for labels in clips.labels]]
        second = clips.loc[rng.choice(clips.index[clips.index != first.name] if mixtures.same_class else others)]
        for source, clip in enumerate((first, second)):
            start_s = round(float(rng.uniform(0, max(clip.duration_s - clip_s, 0))), 4)
            frame = min(int(rng.uniform(start_s, start_s + clip_s) * clip.fps), int(clip.n_frames) - 1)
            gain = round(float(rng.uniform(mixtures.gain_low, mixtures.gain_high)), 4)
            rows.append((f"p{i:05d}", source, clip.clip_id, start_s, frame, gain))
    return pd.DataFrame(rows, columns=["mixture_id", "source", "clip_id", "start_s", "frame", "gain"])


@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize("changes", [{}, {"use_duets": False}, {"same_class": True, "gain_low": 0.1}])
def test_pools_of_published_seeds_never_change(case, changes):
    rng = np.random.default_rng(case)
    labels = [f"c{i}" for i in range(rng.integers(2, 9))] + ["c0|c1", "x|c1", "y|x|z"][: rng.integers(0, 4)]
    table = clips({name: int(n) for name, n in zip(labels, rng.integers(1, 9, len(labels)))}).sample(
        frac=1, random_state=case
    )
    table = table.assign(duration_s=rng.uniform(1.5, 9, len(table)).round(3))
    settings = replace(SETTINGS, pool_size=60, seed=case, **changes)
    written = training_pool(table, CLIP_S, settings).to_csv()
    assert written == pool_by_definition(table, CLIP_S, settings).to_csv()


# --- matchings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", range(60))
def test_matchings_leave_nobody_out_who_could_have_a_partner(case):
    rng = np.random.default_rng(case)
    counts = {f"c{i}": int(n) for i, n in enumerate(rng.integers(1, 9, size=rng.integers(2, 8)))}
    counts["c0"] *= 1 if case % 2 else 5  # in half of the cases one class may hold more than half
    most, total = max(counts.values()), sum(counts.values())
    table = clips(counts)
    pairs = matched_pairs(table, case)
    used = Counter(c for pair in pairs for c in pair)
    assert set(used.values()) == {1}
    assert len(pairs) == min(total // 2, total - most)
    assert all(table.labels[a] != table.labels[b] for a, b in pairs)
    left = set(table.labels[sorted(set(table.clip_id) - set(used))])
    assert len(left) <= 1


@pytest.mark.parametrize(
    ("counts", "found"),
    [({"flute": 3}, "every solo clip is of class 'flute'"), ({"flute|tuba": 3}, "there is no solo clip")],
)
def test_one_class_cannot_be_matched(counts, found):
    with pytest.raises(DataError, match=f"split 'val': {found}, and pairs are of two classes; add solo clips"):
        evaluation_list(clips(counts, "val"), CLIP_S, 0, "v")


def test_matchings_depend_on_the_seed_alone_and_order_is_random():
    table = clips(dict.fromkeys("abcdefghijk", 16))
    pairs = matched_pairs(table, 3)
    assert pairs == matched_pairs(table, 3)
    assert pairs != matched_pairs(table, 4)
    first = Counter(table.labels[a] for a, _ in pairs)
    assert len(first) == 11
    assert max(first.values()) < 16  # no class is always the first source


def test_evaluation_uses_solos_at_their_centre_without_gain():
    table = evaluation_list(MIXED, CLIP_S, 0, "t")
    assert not table.clip_id.str.contains("|", regex=False).any()
    assert (table.gain == 1).all()
    assert (table.start_s == 2.0).all()
    assert (table.frame == 24).all()
    assert table.mixture_id.nunique() == 6
    assert not table.clip_id.duplicated().any()


# --- leakage ---------------------------------------------------------------------------------------------------------


def three_splits() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    table = pd.concat([clips({"flute": 4, "tuba": 4}, split) for split in ("train", "val", "test")])
    of = lambda split: table[table.split == split]  # noqa: E731
    lists = {"pool": training_pool(of("train"), CLIP_S, SETTINGS)}
    return table, lists | {s: evaluation_list(of(s), CLIP_S, 0, s[0]) for s in ("val", "test")}


def test_clean_lists_pass():
    table, lists = three_splits()
    check_no_leakage(lists, table)


@pytest.mark.parametrize(("name", "clip"), [("pool", "test-tuba-1"), ("val", "train-tuba-1"), ("test", "val-tuba-1")])
def test_a_foreign_clip_is_leakage(name, clip):
    table, lists = three_splits()
    lists[name].loc[0, "clip_id"] = clip
    with pytest.raises(LeakageError, match=f"{name} list: clip '{clip}' belongs to split '{clip.split('-')[0]}'"):
        check_no_leakage(lists, table)


@pytest.mark.parametrize("other", ["train", "val"])
def test_a_video_in_two_lists_is_leakage(other):
    table, lists = three_splits()
    table.loc["test-flute-0", "video_id"] = table.loc[f"{other}-flute-0", "video_id"]
    with pytest.raises(LeakageError, match=f"video 'v-{other}-flute-0' is in the .* list; keep a video in one split"):
        check_no_leakage(lists, table)


# --- files and waveforms of a real store -----------------------------------------------------------------------------


@pytest.fixture
def store(project) -> ClipStore:
    return ClipStore.open(project.data / "clips")


AUDIO = AudioSettings(n_samples=16383, n_fft=1024, hop_length=512, n_rows=32)


def test_lists_are_read_as_written_and_refused_once_edited(store, tmp_path):
    lists = build_lists(store, AUDIO, SETTINGS)
    write_lists(lists, tmp_path, store)
    for name, table in lists.items():
        pd.testing.assert_frame_equal(read_list(tmp_path, name), table)
    path = tmp_path / "test.csv"
    path.write_text(path.read_text().replace(",1.0\n", ",0.9\n", 1))
    with pytest.raises(DataError, match=r"test\.csv is missing or was edited .*delete .* and rerun"):
        read_list(tmp_path, "test")
    path.unlink()
    with pytest.raises(DataError, match=r"test\.csv is missing or was edited"):
        read_list(tmp_path, "test")
    with pytest.raises(DataError, match=r"mixtures\.json is missing"):
        read_list(tmp_path / "elsewhere", "test")


def test_the_surplus_of_a_large_class_is_counted_not_an_error(store, tmp_path):
    table = store.table
    tubas = table[(table.split == "test") & (table.labels == "tuba")]
    more = [tubas.assign(clip_id=tubas.clip_id + f"-{i}") for i in range(9)]
    wide = pd.concat([table, *more]).set_index("clip_id", drop=False)
    unbalanced = replace(store, table=wide)
    lists = build_lists(unbalanced, AUDIO, SETTINGS)
    write_lists(lists, tmp_path, unbalanced)
    unpaired = read_json(tmp_path / "mixtures.json")["unpaired"]["test"]
    assert len(unpaired) == 14  # 20 tubas, 6 other solos
    assert set(wide.labels[unpaired]) == {"tuba"}


def test_a_split_without_clips_is_refused(store):
    table = store.table
    with pytest.raises(DataError, match="no clips in split 'val'"):
        build_lists(replace(store, table=table[table.split != "val"]), AUDIO, SETTINGS)


def test_sources_are_gain_scaled_crops_then_clipped(store):
    rows = build_lists(store, AUDIO, SETTINGS)["pool"].iloc[:2].assign(gain=[0.5, 50.0])
    sources = load_sources(store, rows, AUDIO)
    assert sources.shape == (2, AUDIO.n_samples)
    assert sources.dtype == np.float32
    for source, row in zip(sources, rows.itertuples()):
        start = min(round(row.start_s * AUDIO.sample_rate), store.row(row.clip_id).n_samples - AUDIO.n_samples)
        whole = store.waveform(row.clip_id)[start : start + AUDIO.n_samples]
        np.testing.assert_array_equal(source, np.clip(whole * np.float32(row.gain), -1, 1))
    assert np.abs(sources[1]).max() == 1


def test_sources_at_another_rate_or_of_too_short_clips_are_refused(store):
    rows = build_lists(store, AUDIO, SETTINGS)["test"].iloc[:2]
    with pytest.raises(DataError, match=r"clips is at 11625 Hz, audio\.sample_rate is 16000"):
        load_sources(store, rows, dataclasses.replace(AUDIO, sample_rate=16_000))
    with pytest.raises(DataError, match="has 23250 samples"):
        load_sources(store, rows, dataclasses.replace(AUDIO, n_samples=24_063))


def test_clips_shorter_than_a_mixture_are_refused_when_lists_are_drawn(store):
    with pytest.raises(DataError, match=r"clip 'train_flute_000' lasts 2\.00 s, a mixture 2\.07 s"):
        build_lists(store, dataclasses.replace(AUDIO, n_samples=24_063), SETTINGS)


def test_a_missing_clip_takes_its_pair_with_it_and_reshuffles_no_other():
    everything = pd.DataFrame(
        {
            "clip_id": [f"{label}{i}" for label in ("flute", "tuba", "cello") for i in range(10)],
            "labels": [label for label in ("flute", "tuba", "cello") for _ in range(10)],
            "split": "test", "duration_s": 5.0, "fps": 8.0, "n_frames": 40,
        }
    )  # fmt: skip

    def pairs(missing: list[str]) -> set[tuple[str, ...]]:
        gone = everything.clip_id.isin(missing)
        found = evaluation_list(everything[~gone], 3.0, 5, "t", everything[gone])
        return {tuple(group.clip_id) for _, group in found.groupby("mixture_id")}

    whole, missing = pairs([]), ["flute3", "tuba7", "cello0"]
    assert pairs(missing) == {pair for pair in whole if not set(pair) & set(missing)}
    assert len(pairs(missing)) < len(whole)
    partners = [pair[1] for pair in whole]
    with pytest.raises(DataError, match="every listed pair has a clip that cannot be used"):
        pairs(partners)
