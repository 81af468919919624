"""Colours of the report, light and dark, in one place: the style sheet takes them from here, and so does their test."""

from __future__ import annotations

# name: (light, dark). Text colours keep a contrast of 4.5 to 1 on every ground, see `TEXT` and `GROUNDS`.
COLORS = {
    "paper": ("#ffffff", "#10151b"),
    "card": ("#f5f7fa", "#19212a"),
    "mark": ("#fff1b8", "#3b3413"),
    "ink": ("#1b1f24", "#e6edf3"),
    "soft": ("#4d5761", "#a9b3bd"),
    "accent": ("#0b5cad", "#79b8ff"),
    "yes": ("#005a92", "#79b8ff"),
    "no": ("#963500", "#ffa657"),
    "good": ("#116329", "#56d364"),
    "bad": ("#a40e26", "#ff9492"),
    "keyword": ("#8a1c5c", "#ff9ccf"),
    "string": ("#0a6157", "#7fd8c4"),
    "number": ("#963500", "#ffa657"),
    "line": ("#c9d1d9", "#3b4651"),
    "focus": ("#b34700", "#ffb457"),
}
GROUNDS = ("paper", "card", "mark")
TEXT = ("ink", "soft", "accent", "yes", "no", "good", "bad", "keyword", "string", "number")
CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3
EDGE_CONTRAST = 3.0  # of a focus ring, criterion 1.4.11


def variables() -> str:
    """The colours as CSS: the light ones, the dark ones by the reader's system, and either by ``data-theme``."""
    light, dark = (_declared(i) for i in (0, 1))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=light]{{color-scheme:light;{light}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}}}"
    )


def _declared(i: int) -> str:
    return "".join(f"--{name}:{pair[i]};" for name, pair in COLORS.items())


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours ``#rrggbb``, from 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
