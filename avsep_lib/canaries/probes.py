"""Did the linear probes learn from anything that they are tested on?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from avsep_lib.canaries.evidence import Evidence
from avsep_lib.canaries.findings import Finding, at_least, at_most, none_of, not_applicable
from avsep_lib.latents import TEACHER, Latents
from avsep_lib.probe.accuracy import control_chance, control_interval
from avsep_lib.probe.fit import fit_solos

FLIPS = 0.02  # share of answers that rounding may turn: two classes as good as equal
INPUTS = (("solos", "harsh"), ("solos_plain", "solos"))


def probe_fitted_on_test(evidence: Evidence) -> list[Finding]:
    """A probe fitted again on training items alone gives the answers on file; shuffled labels leave it at chance."""
    if evidence.predictions is None:
        return [not_applicable("probe", f"probes are fitted on {evidence.profile.main_dataset}")]
    latents, predictions = Latents.open(evidence.latents_path), evidence.predictions
    items = latents.items("solos")
    splits = items["split"].to_numpy() != evidence.store.table.split.reindex(items["item"]).to_numpy()
    training = items[(items["split"] == "train") & (items["preset_role"] == "learned")]
    tested = set(predictions["item"][predictions["split"] == "test"])
    apart = {name: share for name in _some(latents) for share in [_other_answers(latents, predictions, training, name)]}
    worst = max(apart, key=apart.get)
    low, high = control_interval(predictions)
    chance = control_chance(predictions)
    return [
        none_of("items whose split is not that of their clip", list(items["item"][splits])),
        none_of("items that train and are tested", sorted(set(training["item"]) & tested)),
        at_most("answers of a probe fitted again that differ from those on file, share", apart[worst], FLIPS, worst),
        at_least("chance minus the low end of the control's interval, points", chance - low, 0.0),
        at_least("high end of the control's interval minus chance, points", high - chance, 0.0),
        none_of("representations with other items than the first", _unequal(predictions)),
    ]


def _some(latents: Latents) -> list[str]:
    """The frozen encoder and one trained run: fitting all would take longer than everything else here."""
    trained = latents.runs.index[latents.runs["seed"] >= 0]
    return [TEACHER, *trained[:1]]


def _other_answers(latents: Latents, predictions: pd.DataFrame, training: pd.DataFrame, name: str) -> float:
    """Share of the answers of one probe that a fit on `training`, with the same penalty, does not give."""
    own = predictions[(predictions["name"] == name) & predictions["input"].isin([label for label, _ in INPUTS])]
    probe = fit_solos(latents.vectors(name, "solos")[training.index], training, C=float(own["C"].iloc[0]))
    wrong = total = 0
    for label, group in INPUTS:
        rows = own[own["input"] == label].set_index("item")
        items = latents.items(group)
        vectors = latents.vectors(name, group)[items["item"].isin(rows.index)]
        answers = rows["predicted"].reindex(items["item"][items["item"].isin(rows.index)])
        wrong, total = wrong + int((np.array(probe.predict(vectors)) != answers.to_numpy()).sum()), total + len(answers)
    return wrong / max(total, 1)


def _unequal(predictions: pd.DataFrame) -> list[str]:
    """Representations that answered for other items than the first of the same input."""
    found = []
    for label, part in predictions.groupby("input"):
        of = part.groupby("name")["item"].apply(frozenset)
        found += [f"{label}: {name}" for name, items in of.items() if items != of.iloc[0]]
    return found
