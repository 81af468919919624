"""Names that somebody else's dataset may bring along, and a report that is full of them."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path

import pandas as pd
from report_fixture import AGAINST, CLAIM, TABLE, code, markdown, notebooks, shown, write_report_inputs

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" onfocus="alert(1)" autofocus x="',
    "]]></script><script>alert(1)</script>",
    "</title><svg/onload=alert(1)>",
    "<!--<img src=x onerror=alert(1)>-->",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "{{7*7}}{% raw %}",
    "${7*7}`alert(1)`",
    r"\<img src=x onerror=alert(1)>\|<script>alert(1)</script>",
    r"$\frac$",
    r"\input{/etc/passwd}",
    "50% _a_ #1 & {b} ~ ^",
    "=HYPERLINK(0)",
    "a\u202eb",
)
HTML = "".join(  # what a notebook of a stranger may have put into its outputs
    f'<a href="{scheme}alert(1)">x</a>'
    for scheme in ("javascript:", " JaVaScRiPt:", "java\tscript:", "java\nscript:", "\x01javascript:", "vbscript:", "data:text/html,")
) + (
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a><script>alert(1)</script></svg>'
    "<math><mtext><img src=x onerror=alert(1)></mtext></math><img src=x onerror=alert(1)><body onload=alert(1)>"
    '<img src="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="><video poster="javascript:alert(1)"></video>'
    '<img src="data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYWxlcnQoMSkiLz4=">'
    "<details ontoggle=alert(1) open>x</details><form action=javascript:alert(1)><input type=submit></form>"
    '<iframe srcdoc="<script>alert(1)</script>"></iframe><template><script>alert(1)</script></template><noscript>x</noscript>'
)  # fmt: skip


ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "poster", "data", "srcdoc", "background", "ping")


def hostile_report(project, root: Path, monkeypatch) -> Path:
    """A report in which classes, rows, captions, notes, outputs, findings and a dataset are called by `HOSTILE`."""
    from avsep_lib.report.build import build_report

    shutil.copytree(project.root / "config", root / "config", dirs_exist_ok=True)
    results = root / "results" / "toy"
    shutil.copytree(project.results, results, symlinks=True)
    monkeypatch.setenv("AVSEP_ROOT", str(root))
    rename_classes(results)
    write_report_inputs(root)
    _spoil_artefacts(results)
    _spoil_notebooks(root)
    return build_report("toy").parent


def rename_classes(results: Path) -> dict[str, str]:
    """Call the classes of every table of the toy project by `HOSTILE`; which became what."""
    listed = pd.read_csv(results / "data" / "music11" / "clips" / "clips.csv", dtype=str)
    classes = sorted({label for text in listed.labels for label in text.split("|")})
    names = dict(zip(classes, HOSTILE, strict=False))
    for path in results.rglob("*.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in {"labels", "instrument", "partner", "label"} & set(table.columns):
            table[column] = ["|".join(names.get(label, label) for label in text.split("|")) for text in table[column]]
        path.unlink()  # a link of the project: its target stays as it is
        table.to_csv(path, index=False)
    return names


def _spoil_artefacts(results: Path) -> None:
    from avsep_lib.artifacts import save_table

    about = {"profile": "toy", "parameters": {"seed": SCRIPT, "row": HOSTILE[1]}, "inputs": []}
    rows = pd.DataFrame({"row": HOSTILE, SCRIPT: HOSTILE[::-1], "SDR (dB)": "0.22 [0.18, 0.26]"})
    table = pd.concat([TABLE, rows.rename(columns={SCRIPT: "source"})])
    save_table(table.assign(**{SCRIPT: HOSTILE[1]}), "table6", caption=" ".join(HOSTILE), **about)
    claims = [CLAIM | {key: text for key in ("claim", "tested as", "note", "section", "n")} for text in HOSTILE]
    save_table(pd.DataFrame([*claims, AGAINST]), "claims", caption=SCRIPT, **about)
    canaries = json.loads((results / "canaries.json").read_text())
    finding = dict.fromkeys(("what", "value", "limit", "culprit"), HOSTILE[1]) | {"passed": True}
    canaries["checks"].append({"name": SCRIPT, "data": HOSTILE[3], "passed": True, "findings": [finding]})
    (results / "canaries.json").write_text(json.dumps(canaries))
    for sidecar in (results / "artifacts").glob("*.json"):
        record = json.loads(sidecar.read_text())
        if record["kind"] == "figure":
            record["caption"] = " ".join(HOSTILE)
            record["hardware"]["cpu"] = SCRIPT
            record["commit"] = HOSTILE[1]
        sidecar.write_text(json.dumps(record))


def _spoil_notebooks(root: Path) -> None:
    for folder in (root / "notebooks", root / "results" / "toy" / "notebooks"):
        for stem in notebooks():
            path = folder / f"{stem}.ipynb"
            book = json.loads(path.read_text())
            text = "\n\n".join(f"## {name}\n\n{name}\n\n| a | b |\n|---|---|\n| {name} | x |" for name in HOSTILE)
            said = {"output_type": "stream", "name": "stdout", "text": "\n".join(HOSTILE)}
            failed = {"output_type": "error", "ename": SCRIPT, "evalue": SCRIPT, "traceback": [SCRIPT]}
            outputs = [said, failed, shown(text_html=HTML, text_plain=SCRIPT), shown(text_plain=SCRIPT)]
            outputs += [shown(text_markdown="\n\n".join(HOSTILE) + HTML, text_plain="x")]
            book["cells"] += [
                markdown(text, "h0"),
                markdown(HTML, "h2"),
                code("\n".join(map(repr, HOSTILE)), '"><script>alert(1)</script>', *outputs),
            ]
            path.write_text(json.dumps(book))


def active_parts(text: str, own: tuple[str, ...] = ()) -> list[str]:
    """What would run in a page: scripts that are not `own`, event handlers, addresses that are code, foreign frames."""
    from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning

    warnings.filterwarnings("ignore", category=XMLParsedAsHTMLWarning)
    found = []
    for tag in BeautifulSoup(text, "html.parser").find_all(True):
        if tag.name == "script" and tag.string not in own:
            found.append(str(tag)[:80])
        if tag.name in ("iframe", "object", "embed", "base", "foreignobject"):
            found.append(str(tag)[:80])
        for name, value in tag.attrs.items():
            value = " ".join(value) if isinstance(value, list) else value
            plain = re.sub(r"[\x00-\x20]", "", value).lower()
            if name.startswith("on") or (name in ADDRESSES and re.match("(javascript|vbscript|data:text)", plain)):
                found.append(f"{tag.name} {name}={value[:60]}")
    return found
