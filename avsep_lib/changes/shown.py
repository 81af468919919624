"""What changed, as a table in the terminal and as a section of the report."""

from __future__ import annotations

import html
import re
from typing import Any

MARK = "<!-- what changed: {} -->"
HEADER = ("artefact", "status", "changed", "why")


def worth_a_line(entry: dict[str, str]) -> bool:
    """All but what was cached and is the same."""
    return entry["status"] != "cached" or entry["changed"] != "no"


def summary(found: dict[str, Any]) -> str:
    """One sentence: how many artefacts were made again, and how many of them are other ones now."""
    listed = [entry for entry in found["artefacts"] if worth_a_line(entry)]
    counts, same = found["counts"], len(found["artefacts"]) - len(listed)
    told = [f"{counts[status]} {words}" for status, words in _STATUSES.items() if counts.get(status)]
    values = sum(entry["changed"] == "values" and entry["status"] in ("rerun", "cached") for entry in listed)
    told += [f"{values} with other values"] if values else []
    told += [f"{same} cached and the same"] if same else []
    return f"Figures and tables of {found['profile']} since {found['since']}: {', '.join(told) or 'none'}."


_STATUSES = {"rerun": "made again", "new": "new", "removed": "removed"}


def as_text(found: dict[str, Any]) -> str:
    """The terminal table; reasons stand below it, numbered, because many artefacts share one."""
    listed = [entry for entry in found["artefacts"] if worth_a_line(entry)]
    reasons = list(dict.fromkeys(entry["why"] for entry in listed if entry["why"]))
    rows = [HEADER]
    for entry in listed:
        number = f"({reasons.index(entry['why']) + 1})" if entry["why"] else ""
        rows.append((entry["artefact"], entry["status"], entry["changed"], number))
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [f"({number}) {reason}" for number, reason in enumerate(reasons, 1)]
    verdicts = [f"verdict: {v['before']} -> {v['after']}: {v['claim']}" for v in found["verdicts"]]
    return "\n".join([summary(found), *(lines if listed else []), *verdicts])


def as_html(found: dict[str, Any]) -> str:
    """The section's inside: a sentence, a table of what is not the same, and the verdicts that changed."""
    parts = [f"<p>{html.escape(summary(found))}</p>"]
    rows = [[entry[key] for key in HEADER] for entry in found["artefacts"] if worth_a_line(entry)]
    if rows:
        parts.append(_table("What the last run changed", HEADER, rows))
    if found["verdicts"]:
        rows = [[verdict[key] for key in ("claim", "before", "after")] for verdict in found["verdicts"]]
        parts.append(_table("Verdicts that changed", ("claim", "before", "after"), rows))
    return "\n".join(parts)


def _table(caption: str, header: tuple[str, ...], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in header)
    lines = [
        f'<tr><th scope="row">{html.escape(first)}</th>' + "".join(f"<td>{html.escape(c)}</td>" for c in rest) + "</tr>"
        for first, *rest in rows
    ]
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>"
    return f'<div class="table"><table><caption>{caption}</caption>\n{body}</table></div>'


def filled_in(page: str, found: dict[str, Any]) -> str:
    """The page with the marked block replaced; unchanged when it has no marks."""
    begin, end = (re.escape(MARK.format(word)) for word in ("begin", "end"))
    block = f"{MARK.format('begin')}\n{as_html(found)}\n{MARK.format('end')}"
    return re.sub(f"{begin}.*?{end}", lambda _: block, page, count=1, flags=re.DOTALL)
