"""Do labels, pictures and sounds still belong together?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.canaries.evidence import Evidence, spread
from avsep_lib.canaries.findings import Finding, at_most, none_of, noted
from avsep_lib.encoders import embed, load_image_encoder
from avsep_lib.encoders.store import Entry
from avsep_lib.manifest import is_solo

N_PERMUTATIONS = 999
P_LIMIT = 0.01


def disagreeing_labels(evidence: Evidence) -> list[str]:
    """Clips whose label differs between the decoded clips and the manifest or the provenance."""
    labels = pd.Series(evidence.labels)
    others = {name: evidence.table(name).labels for name in ("manifest", "provenance")}
    return [
        f"{clip} ({name})"
        for name, other in others.items()
        for clip in labels.index[labels != other.reindex(labels.index)]
    ]


def disagreeing_scores(scores: pd.DataFrame, test: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Score rows whose clip, instrument or partner is not that of the test list."""
    groups = {mixture: [labels[c] for c in rows.clip_id] for mixture, rows in test.groupby("mixture_id", sort=False)}
    expected = test.assign(
        instrument=test.clip_id.map(labels),
        partner=["+".join(np.delete(groups[r.mixture_id], r.source)) for r in test.itertuples()],
    ).set_index(["mixture_id", "source"])[["clip_id", "instrument", "partner"]]
    rows = scores.set_index(["mixture_id", "source"])
    wrong = (rows[expected.columns] != expected.reindex(rows.index)).any(axis=1)
    return [f"{run_id} {mixture} source {source}" for (mixture, source), run_id in rows.run_id[wrong].items()]


def recomputed(evidence: Evidence, modality: str, clip_ids: list[str]) -> list[Entry]:
    """Embeddings of a few clips, computed again."""
    folder = evidence.source / "encoders"
    if modality == "images":
        encoder = load_image_encoder(evidence.encoders.image, folder / "image")
        return [embed.embed_frames(encoder, evidence.store, clip_id) for clip_id in clip_ids]
    return embed.embed_audio(evidence.teacher, evidence.store, clip_ids, evidence.encoders.audio.n_samples)


def embedding_difference(evidence: Evidence, modality: str) -> Finding:
    """Relative difference between stored and recomputed embeddings of a few clips."""
    stored = evidence.embeddings(modality)
    entries = recomputed(evidence, modality, spread(stored.clip_ids))
    difference = {
        e.clip_id: np.linalg.norm(stored.frames(e.clip_id) - e.rows) / np.linalg.norm(e.rows) for e in entries
    }
    worst = max(difference, key=difference.get)
    return at_most(f"stored against recomputed {modality}, relative difference", difference[worst], 1e-3, worst)


def class_structure_p(rows: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    """Permutation p-value of the share of clips whose nearest other clip has the same label.

    Parameters
    ----------
    rows : ndarray, shape (n_clips, n_dimensions)
    labels : ndarray, shape (n_clips,)
    """
    unit = rows - rows.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = similarity.argmax(axis=1)
    codes = np.unique(labels, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(codes) for _ in range(N_PERMUTATIONS)]
    drawn = np.array([np.mean(codes[nearest] == codes), *(np.mean(s[nearest] == s) for s in shuffled)])
    return float(np.mean(drawn >= drawn[0]))


def class_structure(evidence: Evidence, modality: str, encoder: str) -> Finding:
    """Clips of a class lie together in the embedding space; judged where the encoder is trained."""
    stored, table = evidence.embeddings(modality), evidence.store.table
    solos = table[is_solo(table) & (table.split != "pretrain")]
    rows = np.stack([stored.frames(clip_id).mean(axis=0) for clip_id in solos.clip_id])
    p_value = class_structure_p(rows, solos.labels.to_numpy())
    what = f"classes among {modality} embeddings, permutation p"
    return at_most(what, p_value, P_LIMIT) if evidence.encoder_is_trained(encoder) else noted(what, p_value)


def shuffled_labels(evidence: Evidence) -> list[Finding]:
    """Every table names the same label for a clip, and embeddings are those of the clip and show its class."""
    frames = [*evidence.scores.values(), evidence.references]
    wrong = [row for scores in frames for row in disagreeing_scores(scores, evidence.lists["test"], evidence.labels)]
    findings = [
        none_of("clips labelled otherwise in manifest or provenance", disagreeing_labels(evidence)),
        none_of("score rows of another clip, instrument or partner", wrong),
    ]
    for modality, encoder in (("images", "image"), ("audio", "audio")):
        if modality == "audio" and evidence.key != evidence.dataset:
            continue  # sounds are embedded at the dataset's own sample rate
        findings += [embedding_difference(evidence, modality), class_structure(evidence, modality, encoder)]
    return findings
