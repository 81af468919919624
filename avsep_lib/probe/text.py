"""Probe results as readers see them: Table 4 with the paper's numbers beside ours as context."""

from __future__ import annotations

import math

import pandas as pd

from avsep_lib.plots.style import label_of
from avsep_lib.published import published_table

MISSING = "–"
NAMES = {
    "audio_encoder": "Frozen audio encoder (teacher)",
    "spectrum": "Mean spectrum (what the U-Net is fed)",
    "untrained": "U-Net, never trained",
    "majority": "Commonest class",
    "shuffled": "Teacher, shuffled labels (control)",
}
INPUT_NAMES = {
    "solos": "solos, recorded once more",
    "solos_plain": "solos, as recorded",
    "mixtures": "mixtures, both labels",
}
# The paper does not say which fusion its U-Net row has; its full method is hierarchical.
PAPER_ROWS = {
    "hier": "U-Net bottleneck",
    "hier_align": "U-Net bottleneck + align",
    "audio_encoder": "frozen CLAP",
}


def name_of(representation: str) -> str:
    """Readable name of a representation."""
    return NAMES.get(representation, label_of(representation))


def percent(mean: float, low: float = math.nan, high: float = math.nan, sign: str = "") -> str:
    """``"58.8 [49.8, 67.3]"``; without an interval just the mean.

    >>> percent(58.82, 49.83, 67.25)
    '58.8 [49.8, 67.3]'
    """
    if math.isnan(mean):
        return MISSING
    text, *ends = (f"{value + 0.0:{sign}.1f}" for value in (mean, low, high))
    return f"{text} [{', '.join(ends)}]" if math.isfinite(low) and math.isfinite(high) else text


def protocol_text(predictions: pd.DataFrame) -> str:
    """One sentence: in which ways the probe of a dataset has to generalise."""
    solos = predictions[predictions["input"] == "solos"]
    presets = (solos["preset_role"] == "new").any()
    classes = solos["truth"].nunique()
    ways = "other videos, other presets and a second recording" if presets else "other videos and a second recording"
    return f"{classes} classes; the probe meets {ways}" + ("." if presets else ", for no presets are known here.")


def _cells(table: pd.DataFrame, *columns: str, sign: str = "") -> list[str]:
    return [percent(*values, sign=sign) for values in zip(*(table[column] for column in columns))]


def _again(table: pd.DataFrame, mean: str, sign: str = "") -> list[str]:
    texts = _cells(table, mean, "seeds_low", "seeds_high", sign=sign)
    return [text[text.index("[") :] if "[" in text else MISSING for text in texts]


def _chance_line(table: pd.DataFrame, shown: pd.DataFrame, values: dict[str, float]) -> pd.DataFrame:
    """`shown` with a last line for guessing; `values` by column, everything else empty."""
    line = dict.fromkeys(shown.columns, MISSING) | {"representation": "Chance"}
    line |= {column: percent(value) for column, value in values.items()}
    return pd.concat([shown, pd.DataFrame([line])], ignore_index=True)


def table4_text(harsh: pd.DataFrame, plain: pd.DataFrame) -> pd.DataFrame:
    """Table 4: accuracies on solos recorded once more and as recorded, from `avsep_lib.probe.accuracy.accuracies`."""
    printed = published_table(4)["accuracy"]
    shown = pd.DataFrame(
        {
            "representation": [name_of(name) for name in harsh["representation"]],
            "paper (%)": [percent(printed.get(PAPER_ROWS.get(name), math.nan)) for name in harsh["representation"]],
            "recorded once more (%)": _cells(harsh, "accuracy", "low", "high"),
            "trained again": _again(harsh, "accuracy"),
            "macro (%)": _cells(harsh, "macro"),
            "as recorded (%)": _cells(plain, "accuracy", "low", "high"),
            "trained again, as recorded": _again(plain, "accuracy"),
            "clips": harsh["n_items"].astype(str),
            "seeds": _seeds(harsh),
        }
    )
    first, other = harsh["chance"].iloc[0], plain["chance"].iloc[0]
    guessed = {"recorded once more (%)": first, "macro (%)": harsh["macro_chance"].iloc[0], "as recorded (%)": other}
    return _chance_line(harsh, shown, guessed)


def mixtures_text(table: pd.DataFrame) -> pd.DataFrame:
    """The variant on mixtures: both instruments named (exact), and macro recall."""
    shown = pd.DataFrame(
        {
            "representation": [name_of(name) for name in table["representation"]],
            "both right (%)": _cells(table, "accuracy", "low", "high"),
            "trained again": _again(table, "accuracy"),
            "macro recall (%)": _cells(table, "macro"),
            "mixtures": table["n_items"].astype(str),
            "seeds": _seeds(table),
        }
    )
    guessed = {"both right (%)": table["chance"].iloc[0], "macro recall (%)": table["macro_chance"].iloc[0]}
    return _chance_line(table, shown, guessed)


def _seeds(table: pd.DataFrame) -> list[str]:
    fixed = ("audio_encoder", "spectrum", "majority")
    return [MISSING if name in fixed else str(n) for name, n in zip(table["representation"], table["n_seeds"])]


def differences_text(table: pd.DataFrame) -> pd.DataFrame:
    """Paired differences for readers."""
    return pd.DataFrame(
        {
            "input": table["input"].map(INPUT_NAMES),
            "difference of": [f"{name_of(a)} − {name_of(b)}" for a, b in zip(table["candidate"], table["baseline"])],
            "points": _cells(table, "difference", "low", "high", sign="+"),
            "points, trained again": _again(table, "difference", sign="+"),
            "p (Holm)": table["p_holm"].map(p_text),
            "McNemar p by seed": [", ".join(map(p_text, by_seed.values())) or MISSING for by_seed in table["mcnemar"]],
            "smallest detectable (points)": table["detectable_effect"].map(percent),
            "items": table["n_items"].astype(str),
        }
    )


def p_text(p: float) -> str:
    """A p value as printed."""
    return MISSING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def difficulty_text(validation: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """How hard each input is, judged on the validation split: accuracies of every representation beside chance."""
    columns = {INPUT_NAMES[name]: table.set_index("representation") for name, table in validation.items()}
    names = list(next(iter(columns.values())).index)
    shown = {"representation": [name_of(name) for name in names]}
    for label, table in columns.items():
        shown[label] = [percent(*table.loc[name, ["accuracy", "low", "high"]]) for name in names]
    line = {"representation": "Chance"} | {label: percent(t["chance"].iloc[0]) for label, t in columns.items()}
    return pd.concat([pd.DataFrame(shown), pd.DataFrame([line])], ignore_index=True)
