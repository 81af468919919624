"""A small finished project whose report can be built in seconds: three executed notebooks, artefacts, canaries."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from avsep_lib.claims.text import MISSING
from avsep_lib.paths import project_root

CLAIM = {
    "claim": "Fusing twice is <better>.",
    "verdict": "supported",
    "trained again": "not testable here",
    "tested as": "Hierarchical − Late, SDR",
    "estimate": "+1.00 [+0.50, +1.50] dB",
    "interval, trained again": MISSING,
    "with soft masks": "contradicted, -0.20 [-0.30, -0.10] dB",
    "p (Holm)": "0.010",
    "smallest detectable": "0.70",
    "n": "88 mixtures",
    "section": "4.4, Table 6",
    "note": "one |training|",
    "evidence": "06_ablation",
    "runs": "late-s0 late-s1",
}
UNTESTED = dict.fromkeys(CLAIM, MISSING) | {
    "claim": "First.", "verdict": "not testable here", "section": "1", "trained again": "not testable here"
}  # fmt: skip
AGAINST = CLAIM | {
    "claim": "Late is worse.", "verdict": "contradicted", "estimate": "-0.30 [-0.50, -0.10] dB", "p (Holm)": "< 0.001"
}  # fmt: skip
TABLE = pd.DataFrame(
    {
        "row": ["Mixture (floor)", "Late", "Ideal binary mask"],
        "source": ["reference", "computed here", "reference"],
        "paper SDR / SIR / SAR": [MISSING, "5.86 / 11.64 / 9.72", MISSING],
        "SDR (dB)": ["0.22 [0.18, 0.26]", "-0.12 [-1.19, 3.15]", "10.38 [9.77, 11.02]"],
    }
)
SOUND_PANEL = (
    '<b>panel</b><table><tr><td></td><td></td><td>RMS (dBFS)</td></tr><tr><td style="padding:2px">mixture</td>'
    '<td><audio controls="controls"><source src="data:audio/flac;base64,{}" type="audio/flac"/>no audio</audio></td>'
    "<td>-20.0</td></tr></table><script>alert(1)</script>"
)

WIDGET = {
    "output_type": "display_data",
    "metadata": {},
    "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox(children=())"},
}
ANSWER = (
    '<details class="answer"><summary>Open the answer</summary><p><b>Two.</b></p>'
    '<table><tr><th scope="row">rows</th><td>2</td></tr></table></details>'
)
GLOSSARY = '# Glossary\n\n### <a id="mask"></a>mask\n\nA stencil. *Here:* [12](12_explorer.ipynb), [mask](#mask).\n'


def markdown(text: str, cell: str) -> dict:
    """A Markdown cell."""
    return {"cell_type": "markdown", "id": cell, "metadata": {}, "source": text}


def code(text: str, cell: str, *outputs: dict, **metadata) -> dict:
    """A code cell with outputs."""
    return {
        "cell_type": "code", "id": cell, "metadata": metadata, "source": text, "outputs": list(outputs),
        "execution_count": 1,
    }  # fmt: skip


def shown(**data: str) -> dict:
    """An output; ``image_png="..."`` for ``image/png``."""
    return {
        "output_type": "display_data", "metadata": {}, "data": {k.replace("_", "/"): v for k, v in data.items()}
    }  # fmt: skip


def picture() -> str:
    """A small PNG, base64 encoded."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def flac() -> str:
    """A short sound, base64 encoded."""
    from avsep_lib.listening import encode_flac

    return base64.b64encode(encode_flac(0.1 * np.sin(np.arange(8000) / 10), 8000)).decode()


def notebooks() -> dict[str, list[dict]]:
    """Cells of three notebooks as papermill leaves them."""
    frame = TABLE.to_html()
    about = "profile=profile, inputs=[], parameters={}"
    return {
        "06_ablation": [
            markdown("# Which part does it?\n\nSee [the audit](11_audit.ipynb), [none](99_x.ipynb).", "c0"),
            code("profile = 'toy'", "c1", tags=["parameters"]),
            markdown("## Table 6\n\n| | |\n|---|---|\n| **reads** | scores |", "c2"),
            code("table6", "c3", shown(text_html=frame, text_plain="frame")),
            markdown("## The grid", "c4"),
            code("figure = draw(table6)", "c5", shown(image_png=picture(), text_plain="<Figure>")),
            markdown("## What becomes of the paper's claims?\n\n### Details", "c6"),
            code(
                "claims", "c7",
                {"output_type": "stream", "name": "stdout", "text": "late: +1.00  [+0.50, +1.50] dB <ok>\n"},
            ),
            markdown("## Save\n\n[Deviations](../paper/deviations.md)", "c8"),
            code(
                f"save_table(table6, 'table6', caption='Rows and their SDR.', {about})\n"
                f"save_figure(figure, 'grid', caption='The grid.', data=table6, {about})",
                "c9",
            ),
        ],
        "09_qualitative": [
            markdown("# What does it sound like?", "c0"),
            code("panel", "c1", shown(text_html=SOUND_PANEL.format(flac()), text_plain="panel")),
        ],
        "11_audit": [
            markdown("# Which claims hold?\n\n## Every claim", "c0"),
            code("table", "c1", shown(text_html=frame, text_plain="frame")),
            code(f"save_table(table, 'claims', caption='All claims.', {about})", "c2"),
        ],
        "12_explorer": [
            markdown("# What if?\n\nA [mask](glossary.md#mask) is a stencil.", "c0"),
            code("app", "c1", WIDGET),
            code("answer", "c2", shown(text_html=ANSWER, text_plain="Answer(...)")),
        ],
    }  # fmt: skip


def write_report_inputs(root: Path) -> None:
    """Notebooks, artefacts, canaries and the paper's numbers of the toy project; ``$AVSEP_ROOT`` must be `root`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from avsep_lib.artifacts import save_figure, save_table

    results = root / "results" / "toy"
    for stem, cells in notebooks().items():
        text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        for folder in (root / "notebooks", results / "notebooks"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{stem}.ipynb").write_text(text)
    (root / "notebooks" / "glossary.md").write_text(GLOSSARY)
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 1])
    about = {"profile": "toy", "parameters": {"seed": 1}}
    scores = {"inputs": [f"results/toy/scores/late-s{seed}.csv" for seed in (0, 1)]}
    save_table(TABLE, "table6", caption="Rows and their SDR.", **about, **scores)
    values = pd.DataFrame({"row": ["late", "middle"], "sdr_db": [1.0, 2.5]})
    save_figure(figure, "grid", caption="The grid.", data=values, **about, **scores)
    plt.close(figure)
    save_table(pd.DataFrame([CLAIM, UNTESTED, AGAINST]), "claims", caption="All claims.", inputs=[], **about)
    finding = {"what": "videos in several splits", "value": 0, "limit": "0", "passed": True, "culprit": ""}
    check = {"name": "test_clip_in_train", "data": "music11", "passed": True, "findings": [finding]}
    (results / "canaries.json").write_text(json.dumps({"passed": True, "profile": "toy", "checks": [check]}))
    shutil.copytree(project_root_of_tests() / "paper", root / "paper", dirs_exist_ok=True)


def project_root_of_tests() -> Path:
    """The checkout that these tests belong to."""
    return Path(__file__).resolve().parent.parent


def build_toy_report(project, root: Path, monkeypatch) -> Path:
    """Build the report of a copy of the toy project at `root`; its folder."""
    from avsep_lib.report.build import build_report

    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(project.root / "config", root / "config", dirs_exist_ok=True)
    (root / "results").mkdir()
    shutil.copytree(project.results, root / "results" / "toy", symlinks=True)
    monkeypatch.setenv("AVSEP_ROOT", str(root))
    assert project_root() == root
    write_report_inputs(root)
    return build_report("toy").parent
