"""Was the checkpoint chosen by validation alone, trained as planned, and does it treat every mixture by itself?"""

from __future__ import annotations

import json

import numpy as np
import torch
from safetensors import safe_open

from avsep_lib import audio as front_end
from avsep_lib.canaries.evidence import Evidence, spread
from avsep_lib.canaries.features import pool_items
from avsep_lib.canaries.findings import Finding, at_most, none_of, not_applicable, noted
from avsep_lib.encoders.sampling import pretraining_split
from avsep_lib.methods.base import Query
from avsep_lib.methods.hfra import HFRA
from avsep_lib.metrics import si_sdr
from avsep_lib.run_card import SILENT_DB
from avsep_lib.settings import to_dict

N_VALIDATED = 3  # runs of a key whose checkpoint is validated again, the best among them
SCORE_DB = 0.01  # validation goes in batches, and another machine rounds otherwise
COUNTER = "unet.input_norm.num_batches_tracked"  # batch normalisation counts the steps behind a checkpoint
HEARD = 1e-2  # relative difference of the teacher's vectors; the sources' mean is tens of times further


def chosen_otherwise(evidence: Evidence) -> list[Finding]:
    """The kept checkpoint is the one with the best validation score, after as many steps as planned, and scores just that."""
    if not evidence.runs:
        return [noted("runs", 0)]
    best, short, elsewhere = [], [], []
    for run_id, history in evidence.histories.items():
        cost, top = evidence.costs[run_id], history.loc[history.val_si_sdr_db.idxmax()]
        if cost["best_step"] != top.step or abs(cost["best_val_si_sdr_db"] - top.val_si_sdr_db) > 1e-6:
            best.append(f"{run_id}: step {cost['best_step']} was kept, step {top.step:.0f} is the best")
        if not cost["steps"] == evidence.config(run_id).training.steps == history.step.iloc[-1]:
            short.append(f"{run_id}: {history.step.iloc[-1]:.0f} of {evidence.config(run_id).training.steps} steps")
        with safe_open(evidence.model_path(run_id), framework="numpy") as file:
            if (steps := int(file.get_tensor(COUNTER))) != cost["best_step"]:
                elsewhere.append(f"{run_id}: the weights are of step {steps}, step {cost['best_step']} was kept")
    some = dict.fromkeys([evidence.best_run, *spread(list(evidence.runs), N_VALIDATED - 1)])
    apart = {run_id: abs(validated(evidence, run_id) - evidence.costs[run_id]["best_val_si_sdr_db"]) for run_id in some}
    worst = max(apart, key=lambda run_id: np.nan_to_num(apart[run_id], nan=np.inf))
    return [
        none_of("runs that did not keep the best validated step", best),
        none_of("runs of another number of steps than planned", short),
        none_of("models of another step than the kept one", elsewhere),
        at_most(f"validation score of {len(some)} models against the kept one, dB", apart[worst], SCORE_DB, worst),
    ]


def validated(evidence: Evidence, run_id: str) -> float:
    """Mean SI-SDR in dB of a finished run over the validation pairs, soft masks."""
    method, values = evidence.method(run_id), evidence.validation
    if method.config.model.bottleneck == "teacher":
        return validated_with_stored_teacher(method, values)
    visual = values["frames" if method.config.model.backbone == "resnet18" else "images"].numpy()
    scores = []
    for waveform, references, seen in zip(values["waveform"].numpy(), values["references"].numpy(), visual):
        estimates = method.estimate(waveform, [Query("image", value) for value in seen])["soft"]
        scores.append(np.nan_to_num(si_sdr(references, estimates), nan=SILENT_DB))
    return float(np.mean(scores))


@torch.no_grad()
def validated_with_stored_teacher(method: HFRA, values: dict[str, torch.Tensor]) -> float:
    """The same for a run that hears through the teacher: with the vectors that training validated with."""
    scores = []
    for waveform, references, seen, heard in zip(*(values[n] for n in ("waveform", "references", "images", "teacher"))):
        spectrum = front_end.stft(waveform, method.audio)
        log_magnitude = front_end.warp(spectrum.abs() + front_end.LOG_FLOOR, method.audio).log()
        masks = method.model(log_magnitude[None, None], seen[None], heard[None]).masks[0]
        estimates = front_end.apply_mask(spectrum, masks, method.audio).numpy()
        scores.append(np.nan_to_num(si_sdr(references.numpy(), estimates), nan=SILENT_DB))
    return float(np.mean(scores))


def other_settings(evidence: Evidence) -> list[Finding]:
    """A model was trained with the settings that its row of ``runs.csv`` and the profile name today."""
    other = []
    for run_id in evidence.runs:
        with safe_open(evidence.model_path(run_id), framework="numpy") as file:
            found = json.loads(file.metadata()["config"])
        planned = json.loads(json.dumps(to_dict(evidence.config(run_id))))
        other += [
            f"{run_id}: {name}" for name in sorted(found.keys() | planned) if found.get(name) != planned.get(name)
        ]
    return [none_of("settings of models that are not the planned ones", other)]


@torch.no_grad()
def batch_statistics(evidence: Evidence) -> list[Finding]:
    """A mixture is separated the same alone and among others: no statistics of the batch at test time."""
    if not evidence.runs:
        return [noted("runs", 0)]
    method, values = evidence.method(evidence.best_run), evidence.validation
    n = min(4, len(values["waveform"]))
    spectrum = front_end.stft(values["waveform"][:n], method.audio)
    log_magnitude = front_end.warp(spectrum.abs() + front_end.LOG_FLOOR, method.audio).log()[:, None]
    seen = values["frames" if method.config.model.backbone == "resnet18" else "images"][:n]
    seen = seen.float() / 255 if seen.dtype == torch.uint8 else seen
    together = method.model(log_magnitude, seen, values["teacher"][:n]).logits
    alone = [
        method.model(log_magnitude[i : i + 1], seen[i : i + 1], values["teacher"][i : i + 1]).logits for i in range(n)
    ]
    apart = float((torch.cat(alone) - together).norm() / together.norm())
    return [at_most(f"{evidence.best_run}: mask logits of a mixture alone against {n} at once", apart, 1e-3)]


def encoder_saw_test(evidence: Evidence) -> list[Finding]:
    """The frozen encoders learned from clips of their own split: none that trains, validates or tests a separator's row."""
    findings, table = [], evidence.store.table
    own = pretraining_split(evidence.store)
    for modality in ("image", "audio"):
        what = f"clips of other splits than {own} that the {modality} encoder learned from"
        kind, learned = getattr(evidence.encoders, modality).kind, evidence.learned_from(modality)
        if kind != "mini":
            findings.append(not_applicable(what, f"{kind} came trained on clips that nobody here can list"))
        elif learned is None:
            findings.append(not_applicable(what, "it was trained before encoders wrote down their clips"))
        else:
            splits = table.split.reindex(learned)
            findings.append(none_of(what, [f"{clip} ({split})" for clip, split in splits.items() if split != own]))
    videos = set(table.video_id[table.split == "pretrain"])
    again = table[(table.split != "pretrain") & table.video_id.isin(videos)]
    return [*findings, none_of("videos of the encoders' split in another", sorted(again.video_id))]


def teacher_hears_sources(evidence: Evidence) -> list[Finding]:
    """The teacher's target, and its vector where a network listens through it, is of the mixture and not of clean sources."""
    items, rate = pool_items(evidence), evidence.audio.sample_rate
    heard = {"training": [evidence.training_item("teacher", item.index)[0].numpy() for item in items]}
    mixed = {"training": [item.mixture.numpy() for item in items]}
    clean = {"training": [item.sources.numpy() for item in items]}
    values = evidence.validation
    chosen = spread(list(range(len(values["teacher"]))), 2)
    heard["validation"] = [values["teacher"][i].numpy() for i in chosen]
    mixed["validation"] = [values["waveform"][i].numpy() for i in chosen]
    findings = []
    for name in heard:
        expected = evidence.teacher.encode(np.stack(mixed[name]), rate)
        apart = max(_relative(a, b) for a, b in zip(heard[name], expected))
        findings.append(at_most(f"{name}: teacher's vectors against those of the mixture", apart, HEARD))
    nearest = min(
        _relative(v, e) for v, s in zip(heard["training"], clean["training"]) for e in evidence.teacher.encode(s, rate)
    )
    findings.append(noted("training: distance of the teacher's vectors to the nearest clean source", nearest))
    return [*findings, *_heard_at_test(evidence)]


def _heard_at_test(evidence: Evidence) -> list[Finding]:
    """What the encoder is given when a run that listens through it is scored."""
    what = "test: what the teacher hears against the mixture, relative difference"
    listening = [run_id for run_id in evidence.runs if evidence.config(run_id).model.bottleneck == "teacher"]
    if not listening:
        return [not_applicable(what, "no run of this key listens through the teacher")]
    method, apart = evidence.method(listening[0]), []
    for item in evidence.items(2):
        heard = method._heard(front_end.stft(torch.from_numpy(item.waveform), method.audio))[0].numpy()
        expected = evidence.teacher.encode(item.waveform[None, : method.audio.n_output], method.sample_rate)[0]
        apart.append(_relative(heard, expected))
    return [at_most(what, max(apart), HEARD, listening[0])]


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
