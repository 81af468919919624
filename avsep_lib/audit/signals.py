"""Clip lengths, lists and training lengths: do the paper's numbers fit together, and do they fit the released code?"""

from __future__ import annotations

import math

from avsep_lib.audit.data import AuditData
from avsep_lib.audit.finding import Finding
from avsep_lib.settings import AudioSettings, TrainingSettings


def _audio(data: AuditData, n_samples: int) -> AudioSettings:
    return AudioSettings(data.count("sample_rate"), n_samples, data.count("n_fft"), data.count("hop_length"))


def clip_length(data: AuditData) -> Finding:
    """Five seconds and 256 frames."""
    n_samples = round(data["clip_seconds"] * data["sample_rate"])
    frames, hop = _audio(data, n_samples).n_frames, data.count("hop_length")
    lowest = (data.count("n_frames") - 1) * hop
    code = data.count("code_samples")
    return Finding(
        "clip length against frames",
        "4.1",
        f"{data['clip_seconds']:g} s at {data.count('sample_rate'):,} Hz, hop {hop}, and {data.count('n_frames')} frames",
        "frames = 1 + floor(samples / hop), the centred transform",
        f"{n_samples:,} samples give {frames} frames; {data.count('n_frames')} need {lowest:,} to {lowest + hop - 1:,} "
        f"samples, {lowest / data['sample_rate']:.2f} s or a little more",
        f"both cannot hold; the code takes {code:,} samples ({code / data['sample_rate']:.3f} s), and so does this suite",
    )


def wild_length(data: AuditData) -> Finding:
    """Ten seconds through a U-Net of seven halvings."""
    n_samples = round(data["wild_seconds"] * data["sample_rate"])
    frames, factor = _audio(data, n_samples).n_frames, 2 ** data.count("unet_levels")
    return Finding(
        "VGGSound clips through the network",
        "4.1",
        f"clips of {data['wild_seconds']:g} s are used without cropping, and the input is {data.count('n_frames')} frames",
        f"frames of {n_samples:,} samples, modulo 2^{data.count('unet_levels')} = {factor}",
        f"{frames} frames, remainder {frames % factor}",
        "such a clip does not pass the network uncropped; what was done is neither said nor released",
    )


def sample_rate(data: AuditData) -> Finding:
    """An unusual rate."""
    ours, lineage = data.count("sample_rate"), data.count("lineage_sample_rate")
    return Finding(
        "sample rate",
        "4.1",
        f"{ours:,} Hz",
        f"against the {lineage:,} Hz of the lineage",
        f"{ours - lineage} Hz more ({100 * (ours / lineage - 1):.1f} %); paper and code agree on it",
        "perhaps a slip of a digit that was kept; harmless, and a switch here",
    )


def music_split(data: AuditData) -> Finding:
    """Videos and list rows of MUSIC."""
    text = [data.count(name) for name in ("music_videos", "music_train", "music_test")]
    rows = [data.count(name) for name in ("list_train", "list_test")]
    duets = [data.count(name) for name in ("list_train_duets", "list_test_duets")]
    return Finding(
        "size of the MUSIC split",
        "4.1",
        f"{text[0]} videos, {text[1]} to train and {text[2]} to test, the test set solos only",
        "sums, and rows of the released lists",
        f"{text[1]} + {text[2]} = {text[1] + text[2]}; the lists have {rows[0]} + {rows[1]} = {sum(rows)} rows, "
        f"with {duets[0]} and {duets[1]} duets",
        f"the released lists are not the split of the text: {duets[1]} of {rows[1]} test rows are duets "
        f"({data.count('list_test_solos')} solos), and one list serves for validation and test",
    )


def test_set_sizes(data: AuditData) -> Finding:
    """Three sizes of one test set."""
    from avsep_lib.audit.probe import numbers_of_items
    from avsep_lib.published import published_table

    probe = numbers_of_items(published_table(4)["accuracy"].tolist())[0]
    sizes = [data.count("music_test"), probe, data.count("list_test")]
    return Finding(
        "one test set, three sizes",
        "4.1, Table 4, lists",
        "results are on the MUSIC test set",
        "its size by the text, by Table 4 and by the released list",
        ", ".join(map(str, sizes)),
        "which clips a number rests on cannot be told; every table here prints its own n",
    )


def music21_split(data: AuditData) -> Finding:
    """A split that fits."""
    whole, train, test = (data.count(f"music21_{part}") for part in ("videos", "train", "test"))
    return Finding(
        "size of the MUSIC-21 split",
        "4.1",
        f"{whole:,} videos, {train} to train and {test} to test",
        "sum",
        f"{train} + {test} = {train + test:,}",
        "consistent" if train + test == whole else "the parts are not the whole",
    )


def overlaps(data: AuditData) -> Finding:
    """Test clips in training lists."""
    val, test = ((data.count(f"clipsep_{s}_in_train"), data.count(f"clipsep_{s}")) for s in ("val", "test"))
    return Finding(
        "test clips in training lists",
        "Table 1, baselines",
        "CLIPSep is retrained under the same settings",
        "ids that two lists share, in CLIPSep's and in HFRA's released lists",
        f"CLIPSep: {val[0]} of {val[1]} ({100 * val[0] / val[1]:.0f} %) validation and {test[0]} of {test[1]} "
        f"({100 * test[0] / test[1]:.0f} %) test ids are in its training list; HFRA: {data.count('hfra_test_in_train')}",
        "what is measured with CLIPSep's lists is optimistic; HFRA's rows are not touched if CLIPSep was retrained on HFRA's "
        "lists, which the text suggests and no released configuration shows. Here a check looks for such clips",
    )


def training_length(data: AuditData) -> Finding:
    """Epochs behind 200,000 steps."""
    per_epoch = math.ceil(data["list_train"] * data["list_repeats"] / data["batch_size"])
    epochs = math.ceil(data["code_steps"] / per_epoch)
    decay = data.count("paper_decay_epoch") * per_epoch
    return Finding(
        "length of the training",
        "4.1; code",
        f"batch {data.count('batch_size')}, a tenth of the learning rate from epoch {data.count('paper_decay_epoch')}; "
        f"no length. The code: {data.count('code_steps'):,} steps, the list {data.count('list_repeats')} times an epoch",
        f"ceil({data.count('list_train')} × {data.count('list_repeats')} / {data.count('batch_size')}) steps an epoch",
        f"{per_epoch:,} steps; {data.count('code_steps'):,} steps are {epochs} whole epochs; epoch "
        f"{data.count('paper_decay_epoch')} begins at step {decay:,}",
        "the length used here as full size",
    )


def learning_rate(data: AuditData) -> Finding:
    """Two learning rates at the same step."""
    from avsep_lib.train import learning_rate as rate

    per_epoch = math.ceil(data["list_train"] * data["list_repeats"] / data["batch_size"])
    code = TrainingSettings(steps=data.count("code_steps"))
    paper = TrainingSettings(steps=data.count("code_steps"), schedule="paper")
    steps = (data.count("code_decay_end") // 2, data.count("paper_decay_epoch") * per_epoch + per_epoch)
    ratios = [rate(step, code) / rate(step, paper) for step in steps]
    told = "; ".join(
        f"step {step:,}: {rate(step, code):.1e} against {rate(step, paper):.0e}, {ratio:.0f} times"
        for step, ratio in zip(steps, ratios)
    )
    return Finding(
        "learning rate of text and code",
        "4.1; code",
        "1e-4, a tenth of it from epoch 60; the code has 1e-3 with warm-up and linear decay",
        "both schedules at a quarter of the training and one epoch after the text's drop",
        told,
        "the text does not describe the released training; the code's schedule is the default here, the other a switch",
    )


FINDINGS = (
    *(music_split, test_set_sizes, music21_split, clip_length, wild_length, sample_rate),
    *(training_length, learning_rate, overlaps),
)
