"""What the explorer shows, as HTML: pictures of a view, its numbers, and one sentence that sums them up."""

from __future__ import annotations

import base64
import html

import numpy as np

from avsep_lib.explorer.judging import METRICS, Verdict
from avsep_lib.explorer.panels import LEVELS, SHARES, colour_bar, decibels, histogram, magnitude, panel
from avsep_lib.explorer.session import View
from avsep_lib.explorer.sources import jpeg
from avsep_lib.plots.style import METRIC_LABELS
from avsep_lib.settings import AudioSettings

SHORT = {
    "sdr_db": "SDR", "sir_db": "SIR", "sar_db": "SAR", "si_sdr_db": "SI-SDR",
    "sdri_db": "SDR gain", "si_sdri_db": "SI-SDR gain",
}  # fmt: skip
MEANING = {
    "sdr_db": "signal to all distortion",
    "sir_db": "signal to interference of the other source",
    "sar_db": "signal to artefacts of the mask",
    "si_sdr_db": "scale-invariant signal to distortion",
    "sdri_db": "SDR of the estimate minus SDR of the mixture",
    "si_sdri_db": "SI-SDR of the estimate minus SI-SDR of the mixture",
}
STYLE = """<style>
.avsep-x{color:var(--jp-ui-font-color1,#222);font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:14px;
line-height:1.4;container-type:inline-size}
.avsep-x h3{font-size:15px;margin:10px 0 4px}
.avsep-row{display:grid;grid-template-columns:minmax(84px,.42fr) repeat(3,minmax(0,1fr));gap:8px;align-items:start}
.avsep-row.two{grid-template-columns:repeat(2,minmax(0,1fr))}
.avsep-row .legend{grid-column:span 2;padding-top:6px}
.avsep-row figure{margin:0;min-width:0;max-width:460px}
.avsep-row figcaption{font-size:13px;margin:2px 0}
.avsep-row img.seen{width:100%;max-width:150px;border-radius:4px;display:block}
.avsep-panel{width:100%;height:auto;display:block}
.avsep-bar{font-size:12.5px;margin-right:18px;white-space:nowrap;display:inline-block}
.avsep-bar img{width:110px;height:10px;vertical-align:middle;border:1px solid currentColor}
.avsep-bar span{white-space:normal}
.avsep-wide{overflow-x:auto}
.avsep-x table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:4px 0}
.avsep-x th,.avsep-x td{padding:3px 9px 3px 0;text-align:right;font-size:13.5px;white-space:nowrap;background:none}
.avsep-x th:first-child,.avsep-x td:first-child{text-align:left}
.avsep-x thead th{border-bottom:1px solid currentColor;font-weight:600}
.avsep-x tr.all td,.avsep-x tr.all th{border-top:1px solid currentColor;font-weight:600}
.avsep-note{border-left:4px solid #E69F00;padding:2px 0 2px 8px;margin:4px 0}
.avsep-error{border-left:4px solid #D55E00;padding:4px 8px;margin:4px 0;font-weight:600}
@container (max-width:760px){.avsep-row.two{grid-template-columns:minmax(0,1fr)}}
@container (max-width:620px){.avsep-row{grid-template-columns:repeat(2,minmax(0,1fr))}
.avsep-row.mix>div:first-child{display:none}}
@container (max-width:430px){.avsep-row{grid-template-columns:minmax(0,1fr)}.avsep-row .legend{grid-column:span 1}.avsep-row img.seen{max-width:110px}}
</style>"""


def wrapped(*parts: str) -> str:
    """Parts of a page in the explorer's style; an HTML widget or cell each."""
    return f'<div class="avsep-x">{STYLE}{"".join(parts)}</div>'


def pictures(view: View, audio: AudioSettings) -> str:
    """The mixture, and for each source what its query saw, its mask, its estimate and its truth."""
    loudness = [magnitude(w, audio) for w in (view.mixture[: audio.n_output], *view.estimates, *view.sources)]
    reference = float(loudness[0].max())
    levels = [decibels(values, reference) for values in loudness]
    bars = colour_bar(LEVELS, "−60 dB", "0 dB", "re loudest point of the mixture")
    bars += colour_bar(SHARES, "0", "1", "mask: share of each point that goes to the source")
    top = _figure(
        panel(levels[0], LEVELS, audio, f"Spectrogram of the mixture of {' and '.join(view.names)}"), "mixture"
    )
    rows = [f'<div class="avsep-row mix"><div></div>{top}<div class="legend">{bars}</div></div>']
    for i, name in enumerate(view.names):
        rows.append(f"<h3>{html.escape(name)}</h3>" + _source_row(view, i, name, levels[1 + i], levels[3 + i], audio))
    return "".join(rows)


def _source_row(view: View, i: int, name: str, estimate: np.ndarray, truth: np.ndarray, audio: AudioSettings) -> str:
    share = float(view.masks[i].mean())
    kind = "binary" if view.choice.mask == "binary" else "soft"
    silent = " (silenced)" if view.choice.silenced == i else ""
    cells = [
        _figure(picture_of(view.pictures[i], f"What the query for {name} was asked with"), "asked with"),
        _figure(panel(view.masks[i], SHARES, audio, f"{kind} mask for {name}, mean {share:.2f}"), f"{kind} mask, mean {share:.2f}"),
        _figure(panel(estimate, LEVELS, audio, f"Spectrogram of the estimate of {name}"), "estimate"),
        _figure(panel(truth, LEVELS, audio, f"Spectrogram of the true {name}{silent}"), f"truth{silent}"),
    ]  # fmt: skip
    return f'<div class="avsep-row">{"".join(cells)}</div>'


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{html.escape(caption)}</figcaption></figure>"


def picture_of(picture: np.ndarray, described: str) -> str:
    """A picture as an HTML image."""
    source = base64.b64encode(jpeg(picture)).decode()
    return f'<img class="seen" alt="{html.escape(described, quote=True)}" src="data:image/jpeg;base64,{source}"/>'


def decibel(value: float, *, sign: bool = False) -> str:
    """A number of a table: one digit, infinities and missing values as signs."""
    if np.isnan(value):
        return "silent"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:{'+' if sign else ''}.1f}".replace("-", "−")


def numbers(verdict: Verdict) -> str:
    """Table of metrics, and the SDR gain of this pair among those of all test pairs."""
    heads = "".join(f'<th scope="col" title="{MEANING[m]}">{SHORT[m]}</th>' for m in METRICS)
    lines = [_line(row["name"], [row[m] for m in METRICS]) for _, row in verdict.rows.iterrows()]
    if verdict.leak_db is None:
        lines.append(_line("mean of both", [verdict.mean(m) for m in METRICS], "all"))
        lines.append(_below_line(verdict))
    table = (
        f'<div class="avsep-wide"><table><thead><tr><th scope="col">dB</th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
    if verdict.leak_db is not None:
        leak = decibel(verdict.leak_db)
        table += f"<p>The query for the silent source took {leak} dB of the mixture’s level; nothing would be −∞.</p>"
    note = f'<p class="avsep-note">{html.escape(verdict.note)}</p>' if verdict.note else ""
    return f'<div class="avsep-row two"><div>{table}{note}</div><div>{_spread(verdict)}</div></div>'


def _line(name: str, values: list[float], kind: str = "") -> str:
    cells = "".join(f"<td>{decibel(v, sign=m.endswith('i_db'))}</td>" for m, v in zip(METRICS, values))
    return f'<tr class="{kind}"><th scope="row">{html.escape(name)}</th>{cells}</tr>'


def _below_line(verdict: Verdict) -> str:
    shares = [verdict.below(metric) for metric in METRICS]
    if np.isnan(shares).all():
        return ""
    cells = "".join(f"<td>{'' if np.isnan(share) else f'{share:.0%}'}</td>" for share in shares)
    return f'<tr><th scope="row">test pairs below</th>{cells}</tr>'


def _spread(verdict: Verdict) -> str:
    values = verdict.spread.get("sdri_db", np.empty(0))
    if not values.size:
        return ""
    mark = verdict.mean("sdri_db") if verdict.leak_db is None else float("nan")
    label = f"{METRIC_LABELS['sdri_db']}, {verdict.mask} masks"
    text = f"SDR gain of {len(values)} test pairs: median {decibel(float(np.median(values)), sign=True)} dB"
    described = text + (f"; this pair {decibel(mark, sign=True)} dB" if np.isfinite(mark) else "")
    return _figure(histogram(values, mark, label, described), text)


def summary(view: View, verdict: Verdict, network: str) -> str:
    """One sentence: what was separated by what, and how well."""
    pair = " and ".join(view.names)
    gain = verdict.mean("sdri_db")
    if verdict.leak_db is not None:
        outcome = f"{view.names[view.choice.silenced]} does not sound"
    elif np.isnan(gain):
        outcome = "an estimate is silent, which has no score"
    else:
        share = verdict.below("sdri_db")
        place = "" if np.isnan(share) else f"; {share:.0%} of the test pairs gain less"
        outcome = f"SDR gain {decibel(gain, sign=True)} dB{place}"
    return f"<p><b>{html.escape(pair)}</b>, {html.escape(network)}: {outcome}.</p>"


def notes(texts: list[str]) -> str:
    """Warnings, one line each."""
    return "".join(f'<p class="avsep-note">{html.escape(text)}</p>' for text in texts)
