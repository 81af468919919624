"""Mixtures of other numbers of sources than two: one to four in all lists, three and four in lists of their own."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from avsep_lib.audio import mix
from avsep_lib.clips import ClipStore
from avsep_lib.errors import ConfigError, DataError
from avsep_lib.features import in_slots
from avsep_lib.larger_mixtures import larger_lists, write_larger_lists
from avsep_lib.mixtures import build_lists, matched_groups, read_list
from avsep_lib.settings import AudioSettings, MixtureSettings

AUDIO = AudioSettings(sample_rate=1000, n_samples=2000, n_fft=64, hop_length=32, n_rows=16)


@pytest.fixture
def store(tmp_path):
    """Five classes and a duet in training, solos elsewhere; no sound behind it."""
    names = ["bell", "flute", "snare", "tuba", "viola"]
    rows = [(split, name, i) for split in ("train", "val", "test") for name in names for i in range(6)]
    rows += [("train", "bell|flute", i) for i in range(3)]
    table = pd.DataFrame(
        [
            {"clip_id": f"{split}-{name}-{i}", "video_id": f"{split}-{name}-{i}", "labels": name, "split": split,
             "n_frames": 48, "fps": 8, "duration_s": 6.0, "n_samples": 6000}
            for split, name, i in rows
        ]
    ).set_index("clip_id", drop=False)  # fmt: skip
    return ClipStore(tmp_path, table, 1000, tmp_path)


def many_sources(store, fewest=1, most=4, **changes):
    settings = MixtureSettings(pool_size=60, fewest_sources=fewest, most_sources=most, **changes)
    return build_lists(store, AUDIO, settings)


def distinct_classes(table, store):
    labels = table.clip_id.map(store.table.set_index("clip_id", drop=False).labels)
    for _, own in labels.groupby(table.mixture_id):
        held = [name for names in own for name in names.split("|")]
        if len(held) != len(set(held)):
            return False
    return True


def test_mixtures_of_one_to_four_sources_share_no_class(store):
    lists = many_sources(store)
    for name, table in lists.items():
        sizes = table.groupby("mixture_id").size()
        assert sizes.min() == 1, name
        assert 2 < sizes.max() <= 4, name
        assert distinct_classes(table, store), name
    test = lists["test"]
    assert not test.clip_id.duplicated().any()
    again = many_sources(store)
    assert all(lists[name].equals(again[name]) for name in lists)
    other = many_sources(store, seed=8)
    assert not lists["pool"].equals(other["pool"])


def test_pairs_are_what_they_were_whatever_else_can_be_asked(store):
    usual = build_lists(store, AUDIO, MixtureSettings(pool_size=60))
    assert all(table.groupby("mixture_id").size().eq(2).all() for table in usual.values())


def test_groups_serve_the_largest_classes_first_and_end_when_they_cannot_go_on():
    clips = pd.DataFrame({"clip_id": [f"{c}{i}" for c, n in zip("abc", (4, 2, 1)) for i in range(n)]})
    clips["labels"] = clips.clip_id.str[0]
    groups = matched_groups(clips, 0, itertools.repeat(3))
    assert len(groups) == 1
    assert sorted(name[0] for name in groups[0]) == ["a", "b", "c"]
    pairs = matched_groups(clips, 0, itertools.repeat(2))
    assert len(pairs) == 3  # as many as any matching can have
    with pytest.raises(DataError, match="no group of that size"):
        matched_groups(clips, 0, itertools.repeat(4))


def test_larger_lists_are_read_like_any_list_and_are_empty_without_classes(store, tmp_path):
    lists = larger_lists(store, AUDIO, MixtureSettings())
    write_larger_lists(lists, tmp_path)
    table = read_list(tmp_path, "test3")
    assert table.groupby("mixture_id").size().eq(3).all()
    assert distinct_classes(table, store)
    assert set(table.clip_id) <= set(store.table[store.table.split == "test"].clip_id)
    two = store.table.labels.isin(sorted(store.table.labels.unique())[:2])
    few = dataclasses.replace(store, table=store.table[two])
    assert all(table.empty for table in larger_lists(few, AUDIO, MixtureSettings()).values())


@pytest.mark.parametrize("limits", [{"fewest_sources": 0}, {"fewest_sources": 3}, {"most_sources": 9}])
def test_impossible_numbers_of_sources_are_refused(limits):
    with pytest.raises(ConfigError, match="sources"):
        MixtureSettings(**limits)


def test_three_classes_give_mixtures_of_up_to_three(store):
    few = dataclasses.replace(store, table=store.table[store.table.labels.isin(["bell", "flute", "snare"])])
    lists = many_sources(few)
    assert max(table.groupby("mixture_id").size().max() for table in lists.values()) == 3


def test_slots_that_no_source_fills_are_empty():
    table = pd.DataFrame({"mixture_id": ["a", "b", "b", "b"], "source": [0, 0, 1, 2]})
    slots = in_slots(np.array([1.0, 2.0, 3.0, 4.0]), table, 4, -1.0)
    assert slots.tolist() == [[1, -1, -1, -1], [2, 3, 4, -1]]


def test_a_mixture_is_divided_by_the_sources_it_has():
    sources = torch.tensor([[[4.0], [0.0]], [[2.0], [4.0]]])
    mixture, scaled = mix(sources, np.array([1, 2]))
    assert mixture.tolist() == [[4.0], [3.0]]
    assert scaled.tolist() == [[[4.0], [0.0]], [[1.0], [2.0]]]
    same = mix(sources[1:])
    assert torch.equal(same[0], mixture[1:])
