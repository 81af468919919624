"""Faults that separation studies are known for, each planted on purpose in a copy of finished results.

A fault spoils what a canary looks at, in memory, in a file of its own, or in a function of the library for as long as the
block lasts; the results themselves are never touched. `FAULTS` is planted by ``tests/test_canaries.py`` in a toy project
and by `avsep_lib.canaries.selftest` in the results of a profile.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from avsep_lib import audio as front_end
from avsep_lib import canaries, score
from avsep_lib.canaries import pictures
from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.features import pool_items
from avsep_lib.canaries.findings import Finding
from avsep_lib.clips import ClipStore
from avsep_lib.encoders.store import EmbeddingStore
from avsep_lib.encoders.train import LEARNED_FROM
from avsep_lib.files import read_json
from avsep_lib.latents import TEACHER, Latents
from avsep_lib.methods import base
from avsep_lib.methods.hfra import HFRA
from avsep_lib.probe.fit import fit_solos

DB = ["sdr_db", "sir_db", "sar_db", "si_sdr_db", "sdri_db", "si_sdri_db"]
LATER_S, QUIETER = 0.3, 0.5  # how a repeated sound is hidden
MOVED = 0.05  # of the norm of each tensor: weights some steps further

Planted = AbstractContextManager[Evidence]


class NothingToSpoilError(Exception):
    """These results have nothing that the fault could be planted in; the message says what is missing."""


@dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes
    ----------
    canary : callable
        The check that should fall.
    mistake : str
        What was done wrong, in a few words.
    plant : callable
        From evidence and an empty folder to a context in which the evidence is spoiled.
    """

    canary: Callable[[Evidence], list[Finding]]
    mistake: str
    plant: Callable[[Evidence, Path], Planted]


FAULTS: list[Fault] = []


def planted(canary: str, mistake: str) -> Callable:
    """Enter a function (evidence, folder) -> evidence, or a context manager that yields it, in `FAULTS`."""

    def enter(function: Callable) -> Callable:
        @contextmanager
        def plant(evidence: Evidence, folder: Path) -> Iterator[Evidence]:
            result = function(evidence, folder)
            if isinstance(result, Evidence):
                yield result
            else:
                with result as spoiled:
                    yield spoiled

        FAULTS.append(Fault(getattr(canaries, canary), mistake, plant))
        return function

    return enter


# --- tools -----------------------------------------------------------------------------------------------------------


def knowing(evidence: Evidence, **values: object) -> Evidence:
    """The same results, of which some values are other ones than in the files."""
    spoiled = replace(evidence)
    spoiled.__dict__.update(values)
    return spoiled


def spoil(evidence: Evidence, folder: Path, path: Path, edit: Callable[[Path], None]) -> Evidence:
    """The same results with one edited file: links to everything else."""
    here, there = evidence.results, folder
    there.mkdir(parents=True, exist_ok=True)
    for part in path.relative_to(evidence.results).parts:
        for entry in here.iterdir():
            if entry.name != part:
                (there / entry.name).symlink_to(entry.resolve())
        here, there = here / part, there / part
        if here.is_dir():
            there.mkdir()
    shutil.copyfile(here, there)
    edit(there)
    return replace(evidence, results=folder)


@contextmanager
def other_code(evidence: Evidence, owner: object, name: str, make: Callable) -> Iterator[Evidence]:
    """The same results under a library in which one function is another one, made from the right one."""
    with mock.patch.object(owner, name, make(getattr(owner, name))):
        yield replace(evidence)


def edit_tensors(change: Callable[[str, torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    """Edit of a safetensors file, tensor by tensor; metadata stay."""

    def edit(path: Path) -> None:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = {name: change(name, tensor).contiguous() for name, tensor in load_file(path).items()}
        save_file(tensors, path, metadata)

    return edit


def moved(size: float = MOVED, seed: int = 0) -> Callable[[Path], None]:
    """Edit of a checkpoint: some steps further, every weight tensor has moved by a share of its norm."""
    generator = torch.Generator().manual_seed(seed)

    def change(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name.endswith("num_batches_tracked"):
            return tensor + 8
        if not tensor.is_floating_point() or "running" in name:
            return tensor
        noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        return tensor + size * noise * tensor.norm() / max(float(noise.norm()), 1e-12)

    return edit_tensors(change)


def some_run(evidence: Evidence) -> str:
    """A run to spoil: the best one, which every check looks at."""
    if not evidence.runs:
        raise NothingToSpoilError("no run is trained on this key")
    return evidence.best_run


def two_runs(evidence: Evidence, same_row: bool = False) -> tuple[str, str]:
    """Two runs, of different rows where there are such, or of one row."""
    if not evidence.runs:
        raise NothingToSpoilError("no run is trained on this key")
    row_of = {run_id: run.row for run_id, run in evidence.runs.items()}
    pairs = (pair for pair in combinations(row_of, 2) if (row_of[pair[0]] == row_of[pair[1]]) == same_row)
    if (found := next(pairs, None)) is None:
        raise NothingToSpoilError(f"there is no second run of {'the same' if same_row else 'another'} row")
    return found


def two_files(evidence: Evidence) -> tuple[str, str]:
    """Two runs, whichever: a file is copied as easily between seeds as between rows."""
    first, *others = evidence.runs or [""]
    if not others:
        raise NothingToSpoilError("there is one run or none")
    return first, others[-1]


def with_scores(evidence: Evidence, run_id: str, rows: pd.DataFrame) -> Evidence:
    """The same results with other score rows of a run."""
    return knowing(evidence, scores=evidence.scores | {run_id: rows.reset_index(drop=True)})


def with_list(evidence: Evidence, name: str, rows: pd.DataFrame) -> Evidence:
    """The same results with another mixture list."""
    return knowing(evidence, lists=evidence.lists | {name: rows})


def with_tensors(evidence: Evidence, **edits: Callable[[torch.Tensor], torch.Tensor]) -> Evidence:
    """The same results with other training tensors."""
    found = evidence.training_tensors
    if missing := [name for name in edits if name not in found]:
        raise NothingToSpoilError(f"the pool is streamed and holds no {missing[0]}")
    return knowing(evidence, training_tensors=found | {name: edit(found[name]) for name, edit in edits.items()})


def heard_as(evidence: Evidence, clip_id: str, sound: Callable[[ClipStore], np.ndarray]) -> Planted:
    """A clip whose decoded sound is another one."""

    def make(waveform: Callable) -> Callable:
        return lambda store, asked: sound(store) if asked == clip_id else waveform(store, asked)

    return other_code(evidence, ClipStore, "waveform", make)


def one_of(evidence: Evidence, split: str) -> str:
    """The first clip of a split."""
    return str(evidence.store.table.clip_id[evidence.store.table.split == split].iloc[0])


# --- what is learned from, and what is tested ------------------------------------------------------------------------


@planted("test_clip_in_train", "a test clip in the training list, under another gain")
def _(evidence: Evidence, folder: Path):
    pool = evidence.lists["pool"].copy()
    pool.loc[0, ["clip_id", "gain"]] = [one_of(evidence, "test"), 0.7]
    return with_list(evidence, "pool", pool)


@planted("test_clip_in_train", "a training sound under the name of a test clip")
def _(evidence: Evidence, folder: Path):
    source = one_of(evidence, "train")
    return heard_as(evidence, one_of(evidence, "test"), lambda store: store.crop(source, 0, store.n_samples(source)))


@planted("repeated_sound", f"a training recording among the test clips, {LATER_S} s later and 6 dB quieter")
def _(evidence: Evidence, folder: Path):
    return repeated(evidence, LATER_S, QUIETER)


def repeated(evidence: Evidence, later_s: float, gain: float, noise: float = 0.0) -> Planted:
    """The first training clip in place of the first test clip: cut, scaled, with white noise of a share of its level."""
    source = one_of(evidence, "train")

    def sound(store: ClipStore) -> np.ndarray:
        start = int(later_s * store.sample_rate)
        cut = gain * store.crop(source, start, store.n_samples(source) - start)
        added = np.random.default_rng(0).standard_normal(len(cut)) * noise * np.sqrt(np.mean(cut**2))
        return (cut + added).astype(np.float32)

    return heard_as(evidence, one_of(evidence, "test"), sound)


@planted("encoder_saw_test", "the audio encoder pretrained on a test clip")
def _(evidence: Evidence, folder: Path):
    path = evidence.source / "encoders" / "audio" / LEARNED_FROM
    if evidence.encoders.audio.kind != "mini" or not path.exists():
        raise NothingToSpoilError("the audio encoder does not say what it learned from")
    learned = {"clips": [*read_json(path)["clips"], one_of(evidence, "test")]}
    return spoil(evidence, folder, path, lambda copy: copy.write_text(json.dumps(learned)))


@planted("backdrop_gives_label_away", "a backdrop in the colour of its class")
def _(evidence: Evidence, folder: Path):
    return coloured(evidence, 1.0)


def coloured(evidence: Evidence, strength: float) -> Planted:
    """Pictures mixed with the colour of their class, 1 for nothing but the colour."""
    if evidence.recorded:
        raise NothingToSpoilError("what recordings show is noted and not judged")
    labels = sorted(set(evidence.labels.values()))
    colours = dict(zip(labels, np.random.default_rng(0).uniform(0, 255, (len(labels), 3))))
    shown = dict(zip(evidence.store.table.frames, evidence.store.table.labels))

    def make(decode: Callable) -> Callable:
        def decoded(content: bytes, path: Path) -> np.ndarray:
            colour = colours[shown[str(path.parent.relative_to(evidence.store.root))]]
            return ((1 - strength) * decode(content, path) + strength * colour).astype(np.uint8)

        return decoded

    return other_code(evidence, pictures, "decode_frame", make)


@planted("frame_outside_crop", "test pictures one frame late")
def _(evidence: Evidence, folder: Path):
    test = evidence.lists["test"]
    return with_list(evidence, "test", test.assign(frame=test.frame + 1))


@planted("frame_outside_crop", "a training picture of a moment that is not heard")
def _(evidence: Evidence, folder: Path):
    pool, clips = evidence.lists["pool"].copy(), evidence.store.table
    seconds = evidence.audio.n_samples / evidence.audio.sample_rate
    later = np.floor((pool.start_s + seconds) * clips.fps.reindex(pool.clip_id).to_numpy()) + 1
    free = pool.index[later < clips.n_frames.reindex(pool.clip_id).to_numpy()]
    if not len(free):
        raise NothingToSpoilError("no training crop ends before its clip does")
    pool.loc[free[0], "frame"] = int(later[free[0]])
    return with_list(evidence, "pool", pool)


# --- features --------------------------------------------------------------------------------------------------------


@planted("shuffled_labels", "labels of one run's rows in another order")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id]
    return with_scores(evidence, run_id, rows.assign(instrument=rows.instrument.to_numpy()[::-1]))


@planted("shuffled_labels", "every clip with the embedding of the next")
def _(evidence: Evidence, folder: Path):
    def make(frames: Callable) -> Callable:
        return lambda store, clip: frames(store, store.clip_ids[(store.clip_ids.index(clip) + 1) % len(store.clip_ids)])

    return other_code(evidence, EmbeddingStore, "frames", make)


@planted("shuffled_features", "training pictures of the next mixture")
def _(evidence: Evidence, folder: Path):
    return with_tensors(evidence, images=lambda tensor: tensor.roll(1, dims=0))


@planted("shuffled_features", "training pictures of the other source")
def _(evidence: Evidence, folder: Path):
    return with_tensors(evidence, images=lambda tensor: tensor.roll(1, dims=1))


@planted("teacher_hears_sources", "a teacher that embeds the clean source")
def _(evidence: Evidence, folder: Path):
    return taught(evidence, lambda encode, item: encode(item.sources[:1].numpy())[0])


@planted("teacher_hears_sources", "a teacher that averages over clean sources")
def _(evidence: Evidence, folder: Path):
    return taught(evidence, lambda encode, item: encode(item.sources.numpy()).mean(axis=0))


def taught(evidence: Evidence, heard: Callable) -> Evidence:
    """Other teacher vectors for the mixtures that are looked at: encoding the whole pool would take minutes."""
    vectors = evidence.training_tensors["teacher"].clone()
    for item in pool_items(evidence):
        vector = heard(lambda waveforms: evidence.teacher.encode(waveforms, evidence.audio.sample_rate), item)
        vectors[item.index] = torch.from_numpy(np.ascontiguousarray(vector))
    return with_tensors(evidence, teacher=lambda _: vectors)


def other_references(evidence: Evidence, change: Callable[[torch.Tensor], torch.Tensor]) -> Planted:
    """Scoring with other true sources than those in the mixture."""

    def make(mix: Callable) -> Callable:
        def mixed(sources: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            mixture, scaled = mix(sources)
            return mixture, change(scaled)

        return mixed

    return other_code(evidence, score, "mix", make)


@planted("rescaled_references", "references scaled to the same peak")
def _(evidence: Evidence, folder: Path):
    return other_references(evidence, lambda sources: sources / sources.abs().amax(dim=-1, keepdim=True))


@planted("rescaled_references", "references resampled there and back")
def _(evidence: Evidence, folder: Path):
    return other_references(evidence, lambda sources: torch.from_numpy(resampled(sources.numpy())))


def resampled(sources: np.ndarray) -> np.ndarray:
    """Sources read at points half a sample beside their own and back."""
    return ((sources + np.roll(sources, 1, axis=-1)) / 2).astype(np.float32)


@planted("hop_off_by_one", "spectrograms one frame late")
def _(evidence: Evidence, folder: Path):
    return other_code(evidence, front_end, "stft", lambda stft: lambda *given: stft(*given).roll(1, dims=-1))


# --- training --------------------------------------------------------------------------------------------------------


@planted("unused_seed", "one training under the names of two seeds")
def _(evidence: Evidence, folder: Path):
    first, second = two_runs(evidence, same_row=True)
    weights = evidence.model_path(first)
    return spoil(evidence, folder, evidence.model_path(second), lambda copy: shutil.copyfile(weights, copy) and None)


@planted("unused_seed", "pair lists drawn again with another seed")
def _(evidence: Evidence, folder: Path):
    return replace(evidence, mixtures=replace(evidence.mixtures, seed=evidence.mixtures.seed + 5))


@planted("other_settings", "a model of another learning rate than its row says")
def _(evidence: Evidence, folder: Path):
    some_run(evidence)
    training = replace(evidence.profile.training, learning_rate=2 * evidence.profile.training.learning_rate)
    return replace(evidence, profile=evidence.profile.model_copy(update={"training": training}))


@planted("chosen_otherwise", "the checkpoint of another validation than the best")
def _(evidence: Evidence, folder: Path):
    for run_id, history in evidence.histories.items():
        other = history[history.val_si_sdr_db < history.val_si_sdr_db.max()]
        if len(other):
            kept = {"best_step": int(other.step.iloc[-1]), "best_val_si_sdr_db": float(other.val_si_sdr_db.iloc[-1])}
            return knowing(evidence, costs=evidence.costs | {run_id: evidence.costs[run_id] | kept})
    raise NothingToSpoilError("every run was validated once")


@planted("chosen_otherwise", "weights of some steps further, chosen by the test pairs")
def _(evidence: Evidence, folder: Path):
    return spoil(evidence, folder, evidence.model_path(some_run(evidence)), moved())


@planted("batch_statistics", "batch statistics at test time")
def _(evidence: Evidence, folder: Path):
    some_run(evidence)

    def make(method: Callable) -> Callable:
        def training(*given) -> HFRA:
            loaded = method(*given)
            loaded.model.train()
            return loaded

        return training

    return other_code(evidence, Evidence, "method", make)


# --- score rows ------------------------------------------------------------------------------------------------------


@planted("copied_run", "scores of another run under this run's name")
def _(evidence: Evidence, folder: Path):
    first, second = two_files(evidence)
    run = evidence.runs[second]
    return with_scores(evidence, second, evidence.scores[first].assign(run_id=second, method=run.row, seed=run.seed))


@planted("copied_run", "a score file of another run in this run's place")
def _(evidence: Evidence, folder: Path):
    first, second = two_files(evidence)
    return with_scores(evidence, second, evidence.scores[first])


@planted("copied_run", "one training under the names of two rows")
def _(evidence: Evidence, folder: Path):
    first, second = two_runs(evidence)
    weights = evidence.model_path(first)
    return spoil(evidence, folder, evidence.model_path(second), lambda copy: shutil.copyfile(weights, copy) and None)


@planted("reshuffled_pairs", "test pairs drawn anew after scoring")
def _(evidence: Evidence, folder: Path):
    test = evidence.lists["test"].copy()
    second = test.index[test.source == 1]
    columns = ["clip_id", "start_s", "frame"]
    test.loc[second, columns] = np.roll(test.loc[second, columns].to_numpy(), 1, axis=0)
    return with_list(evidence, "test", test)


@planted("reshuffled_pairs", "a test list that was edited by hand")
def _(evidence: Evidence, folder: Path):
    def edit(path: Path) -> None:
        rows = pd.read_csv(path)
        rows.assign(clip_id=rows.clip_id.to_numpy()[::-1]).to_csv(path, index=False)

    return spoil(evidence, folder, evidence.folder / "mixtures" / "test.csv", edit)


@planted("counted_twice", "a mixture counted twice under two names")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id]
    sure = rows[np.isfinite(rows[["sdr_db", "si_sdr_db"]]).all(axis=1) & (rows["mask"] == "soft")]
    copy = rows[rows.mixture_id == sure.mixture_id.iloc[0]].assign(mixture_id="t99999")
    return with_scores(evidence, run_id, pd.concat([rows, copy]))


@planted("counted_twice", "rows of a mixture that stand there twice")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id]
    return with_scores(evidence, run_id, pd.concat([rows, rows.iloc[:1]]))


@planted("unequal_silence", "the worst mixture dropped for one run")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id]
    worst = rows.mixture_id[rows.sdr_db.fillna(-np.inf).idxmin()]
    return with_scores(evidence, run_id, rows[rows.mixture_id != worst])


@planted("unequal_silence", "a silent estimate that counts as 0 dB")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id].copy()
    rows.loc[rows.index[0], "status"] = "silent_estimate"
    rows.loc[rows.index[0], DB] = 0.0
    return with_scores(evidence, run_id, rows)


@planted("wrong_baseline", "improvements over the other source's mixture score")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id].copy()
    other = rows.groupby(["mixture_id", "mask"]).mixture_sdr_db.transform(lambda x: x.to_numpy()[::-1])
    return with_scores(evidence, run_id, rows.assign(mixture_sdr_db=other, sdri_db=rows.sdr_db - other))


@planted("wrong_baseline", "improvements 0.1 dB too good")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id]
    return with_scores(evidence, run_id, rows.assign(sdri_db=rows.sdri_db + 0.1))


@planted("swapped_sources", "estimates scored against the other source")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    rows = evidence.scores[run_id].copy()
    rows[DB] = rows.groupby(["mixture_id", "mask"])[DB].transform(lambda x: x.to_numpy()[::-1])
    return with_scores(evidence, run_id, rows)


# --- estimates -------------------------------------------------------------------------------------------------------


@planted("zeroed_mask", "a network whose masks are all one half")
def _(evidence: Evidence, folder: Path):
    some_run(evidence)
    return other_code(evidence, HFRA, "masks", lambda masks: lambda *given: torch.full_like(masks(*given), 0.5))


def other_masking(evidence: Evidence, masking: Callable) -> Planted:
    """Estimates by another way from mask to waveform; `masking` gets the right one and its arguments."""

    def make(apply: Callable) -> Callable:
        return lambda mixture, mask, audio, **options: masking(apply, mixture, mask, audio, **options)

    return other_code(evidence, base, "apply_mask", make)


@planted("wrong_phase", "waveforms from magnitudes without their phase")
def _(evidence: Evidence, folder: Path):
    return other_masking(
        evidence, lambda apply, mixture, *given, **options: apply(mixture.abs() + 0j, *given, **options)
    )


@planted("threshold_before_unwarping", "binary masks cut before unwarping")
def _(evidence: Evidence, folder: Path):
    def early(apply: Callable, mixture: torch.Tensor, mask: torch.Tensor, audio, threshold: float | None = None):
        return apply(mixture, mask if threshold is None else (mask > threshold).to(mask), audio)

    return other_masking(evidence, early)


@planted("truth_in_estimate", "estimates with the phase of the true source")
def _(evidence: Evidence, folder: Path):
    def phased(estimate: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        return torch.polar(estimate.abs(), source.angle())

    return knowing_the_truth(evidence, phased)


@planted("truth_in_estimate", "estimates at the level of the true source")
def _(evidence: Evidence, folder: Path):
    return knowing_the_truth(evidence, lambda estimate, source: estimate * (source.norm() / estimate.norm()))


def knowing_the_truth(evidence: Evidence, change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Planted:
    """Runs whose estimates are changed by the spectrogram of the true source."""
    some_run(evidence)
    true = {item.waveform.tobytes(): item.sources for item in evidence.items()}

    def make(estimate: Callable) -> Callable:
        def cheating(method: base.MaskMethod, waveform: np.ndarray, queries: list) -> dict[str, np.ndarray]:
            found, pad = estimate(method, waveform, queries), method.audio.n_samples - method.audio.n_output
            sources = front_end.stft(torch.from_numpy(true[waveform.tobytes()]), method.audio)
            spectra = {
                k: front_end.stft(torch.from_numpy(np.pad(e, ((0, 0), (0, pad)))), method.audio)
                for k, e in found.items()
            }
            pairs = {kind: [change(e, s) for e, s in zip(spectrum, sources)] for kind, spectrum in spectra.items()}
            return {kind: front_end.istft(torch.stack(ones), method.audio).numpy() for kind, ones in pairs.items()}

        return cheating

    return other_code(evidence, HFRA, "estimate", make)


@planted("stale_scores", "a model trained again, its scores left as they were")
def _(evidence: Evidence, folder: Path):
    run_id = some_run(evidence)
    twins = [r for r, run in evidence.runs.items() if run.row == evidence.runs[run_id].row and r != run_id]
    weights = load_file(evidence.model_path(twins[0])) if twins else {}
    again = edit_tensors(lambda name, _: weights[name]) if twins else moved(1.0)
    return spoil(evidence, folder, evidence.model_path(run_id), again)


# --- probes ----------------------------------------------------------------------------------------------------------


@planted("probe_fitted_on_test", "a probe fitted on training and test solos")
def _(evidence: Evidence, folder: Path):
    return fitted_on(evidence, ("train", "test"))


def fitted_on(evidence: Evidence, splits: tuple[str, ...]) -> Evidence:
    """The answers of the frozen encoder's probe when it is fitted on the solos of some splits."""
    if evidence.predictions is None:
        raise NothingToSpoilError("no probe is fitted on this key")
    latents, predictions = Latents.open(evidence.latents_path), evidence.predictions.copy()
    items, vectors = latents.items("solos"), latents.vectors(TEACHER, "solos")
    chosen = items["split"].isin(splits)
    C = float(predictions["C"][predictions["name"] == TEACHER].iloc[0])
    probe = fit_solos(vectors[chosen], items[chosen], C=C)
    answers = dict(zip(items["item"], probe.predict(vectors)))
    own = (predictions["name"] == TEACHER) & (predictions["input"] == "solos_plain")
    predictions.loc[own, "predicted"] = predictions.loc[own, "item"].map(answers)
    return knowing(evidence, predictions=predictions.assign(correct=predictions.truth == predictions.predicted))


@planted("probe_fitted_on_test", "a control that is not at chance")
def _(evidence: Evidence, folder: Path):
    if evidence.predictions is None:
        raise NothingToSpoilError("no probe is fitted on this key")
    control = evidence.predictions["representation"] == "shuffled"
    told = evidence.predictions["predicted"].mask(control, evidence.predictions["truth"])
    return knowing(
        evidence, predictions=evidence.predictions.assign(predicted=told, correct=told == evidence.predictions["truth"])
    )
