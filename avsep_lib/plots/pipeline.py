"""The pipeline as a drawing: a U of boxes whose shapes and counts come from a traced model, not from this file.

Conventions
-----------
One unit is one row of boxes; x grows to the right, rows grow downwards. Row 0 holds input and output maps, row i the
levels that have the i-th resolution. Sound enters at the left, sight at the right; what exists in training only is
dashed, what is frozen is grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avsep_lib.plots.style import OKABE_ITO, TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from avsep_lib.anatomy import Anatomy, Layer

LEFT, RIGHT = 1.45, 14.55  # x of the outer columns
OUTER_ENCODER, INNER_ENCODER = 4.35, 6.3  # x of the outermost and the innermost encoder level
OUTER_DECODER = 16 - OUTER_ENCODER
WIDTH, HEIGHT = 2.05, 0.66
WIDE = 2.6
FACES = {
    "encoder": (OKABE_ITO["sky_blue"], 0.45),
    "decoder": (OKABE_ITO["blue"], 0.28),
    "visual": (OKABE_ITO["green"], 0.30),
    "align": (OKABE_ITO["orange"], 0.40),
    "head": (OKABE_ITO["vermillion"], 0.35),
    "frozen": ("#9A9A9A", 0.30),
    "plain": ("#FFFFFF", 1.0),
}


@dataclass(frozen=True)
class Box:
    """A drawn box, by its centre and width."""

    x: float
    row: float
    width: float = WIDTH
    height: float = HEIGHT

    def at(self, side: str) -> tuple[float, float]:
        """Middle of a side: ``l``, ``r``, ``t`` or ``b``."""
        dx, dy = {"l": (-1, 0), "r": (1, 0), "t": (0, -1), "b": (0, 1)}[side]
        return self.x + dx * self.width / 2, self.row + dy * self.height / 2


def shape_text(shape: tuple[int, ...]) -> str:
    """``64 × 128 × 128``."""
    return " × ".join(map(str, shape))


def count_text(n: int) -> str:
    """A number of parameters in three digits: ``32.9 M``, ``131 k``, ``98``."""
    for limit, suffix in ((1e6, " M"), (1e3, " k")):
        if n >= limit:
            return f"{n / limit:.3g}{suffix}"
    return str(n)


def draw_box(
    ax: Axes, box: Box, face: str, title: str, detail: str = "", *, dashed: bool = False, size: float = 8
) -> Box:
    """One rounded box with a line of text and a smaller one below."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import FancyBboxPatch

    color, alpha = FACES[face]
    edge = TEXT if face == "plain" else color
    patch = FancyBboxPatch(
        (box.x - box.width / 2, box.row - box.height / 2),
        box.width,
        box.height,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=to_rgba(color, alpha),
        edgecolor=edge,
        linewidth=1.1,
        linestyle="--" if dashed else "-",
    )
    ax.add_patch(patch)
    shift = 0.14 if detail else 0
    ax.text(box.x, box.row - shift, title, ha="center", va="center", fontsize=size, color="black")
    if detail:
        ax.text(box.x, box.row + 0.16, detail, ha="center", va="center", fontsize=size - 1.5, color=TEXT)
    return box


def draw_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], *, color: str = TEXT, dashed: bool = False
) -> None:
    """An arrow between two points."""
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 1, "mutation_scale": 9}
    ax.annotate("", end, start, arrowprops=style | {"linestyle": "--" if dashed else "-"})


def _level(ax: Axes, layer: Layer, x: float, row: float, face: str) -> Box:
    return draw_box(ax, Box(x, row), face, shape_text(layer.shape), f"{count_text(layer.n_parameters)} parameters")


def draw_encoder(ax: Axes, anatomy: Anatomy) -> list[Box]:
    """Waveform, spectrogram and the levels down to the bottleneck; the boxes of input and levels."""
    audio, levels = anatomy.audio, anatomy.group("unet.down.")
    wave = draw_box(ax, Box(LEFT, 0, WIDE), "plain", "mixture waveform", f"{audio.n_samples} samples")
    spectrum = anatomy.layers["unet.input_norm"].shape
    boxes = [draw_box(ax, Box(OUTER_ENCODER, 0, 2.3), "plain", "log magnitude", shape_text(spectrum))]
    draw_arrow(ax, wave.at("r"), boxes[0].at("l"))
    step = (INNER_ENCODER - OUTER_ENCODER) / (len(levels) - 1)
    for i, layer in enumerate(levels):
        boxes.append(_level(ax, layer, OUTER_ENCODER + i * step, i + 1, "encoder"))
        draw_arrow(ax, boxes[-2].at("b"), boxes[-1].at("t"))
    return boxes


def draw_decoder(ax: Axes, anatomy: Anatomy, encoder: list[Box]) -> list[Box]:
    """The levels up to the output maps, outermost first, with the skip connections."""
    levels = anatomy.group("unet.up.")
    step = (INNER_ENCODER - OUTER_ENCODER) / len(levels)
    maps = draw_box(
        ax, Box(OUTER_DECODER, 0, 2.3), "decoder", f"{shape_text(anatomy.layers['unet.out'].shape)} maps",
        f"{count_text(anatomy.layers['unet.out'].n_parameters)} parameters",
    )  # fmt: skip
    boxes = [maps]
    for i, layer in enumerate(levels):
        boxes.append(_level(ax, layer, OUTER_DECODER - i * step, i + 1, "decoder"))
        draw_arrow(ax, boxes[-1].at("t"), boxes[-2].at("b"))
        draw_arrow(ax, encoder[i + 1].at("r"), boxes[-1].at("l"), color="#A6A6A6")
    middle = (encoder[1].at("r")[0] + boxes[1].at("l")[0]) / 2
    ax.text(middle, 0.9, "skip connections", ha="center", va="bottom", fontsize=7.5, color="#6E6E6E")
    return boxes


def draw_sight(ax: Axes, anatomy: Anatomy, depth: int) -> Box:
    """The frame and what describes it; the box that conditions leave from."""
    frame = draw_box(ax, Box(RIGHT, depth, WIDE), "plain", "a frame of each performer", f"{anatomy.masks[0]} sources")
    if anatomy.settings.backbone == "clip":
        title, detail, face = "image encoder (frozen)", f"{anatomy.settings.embedding_dim} per source", "frozen"
    else:
        layer = anatomy.layers["visual"]
        title, detail, face = "visual network (trained)", f"{count_text(layer.n_parameters)} parameters", "visual"
    described = draw_box(ax, Box(RIGHT, depth - 1, WIDE), face, title, detail)
    draw_arrow(ax, frame.at("t"), described.at("b"))
    return described


def _projection(ax: Axes, layer: Layer, box: Box, name: str) -> Box:
    detail = f"{layer.shape[-1]}; {count_text(layer.n_parameters)} parameters"
    return draw_box(ax, box, "visual", f"linear, sigmoid: {name}", detail)


def draw_middle(ax: Axes, anatomy: Anatomy, bottleneck: Box, innermost: Box, sight: Box) -> None:
    """The way from the bottleneck to the decoder, with the condition that joins it there, if the fusion has one."""
    layer = anatomy.layers.get("mid_projection")
    entry = (innermost.at("l")[0] + 0.35, innermost.at("b")[1])
    if layer is None:
        draw_arrow(ax, bottleneck.at("r"), entry)
        return
    row = bottleneck.row
    joined = draw_box(ax, Box(8.35, row, 1.15), "plain", "concat.", size=7.5)
    query = _projection(ax, layer, Box(11.2, row, WIDE), "$q_{mid}$")
    draw_arrow(ax, bottleneck.at("r"), joined.at("l"))
    draw_arrow(ax, query.at("l"), joined.at("r"))
    draw_arrow(ax, joined.at("t"), entry)
    draw_arrow(ax, sight.at("l"), (query.x + 0.7, query.at("t")[1]))


def draw_head(ax: Axes, anatomy: Anatomy, maps: Box, sight: Box) -> Box:
    """From output maps to masks, weighted by the late condition, if the fusion has one."""
    late = anatomy.settings.fusion != "middle"
    title, detail = ("weighted sum", "scale, bias, sigmoid") if late else ("sigmoid", "one map per source")
    head = draw_box(ax, Box(RIGHT, 0, WIDE), "head", title, detail)
    masks = draw_box(ax, Box(RIGHT, -1, WIDE), "plain", "masks", shape_text(anatomy.masks))
    estimates = draw_box(ax, Box(OUTER_DECODER, -1, 2.3), "plain", "estimates", "masked mixture, its phase")
    draw_arrow(ax, maps.at("r"), head.at("l"))
    draw_arrow(ax, head.at("t"), masks.at("b"))
    draw_arrow(ax, masks.at("l"), estimates.at("r"))
    if (layer := anatomy.layers.get("late_projection")) is not None:
        query = _projection(ax, layer, Box(RIGHT, 1.5, WIDE), "$q_{late}$")
        draw_arrow(ax, sight.at("t"), query.at("b"))
        draw_arrow(ax, query.at("t"), head.at("b"))
    elif late:
        draw_arrow(ax, sight.at("t"), head.at("b"))
    return head


def draw_alignment(ax: Axes, anatomy: Anatomy, bottleneck: Box) -> None:
    """The teacher and the loss that pulls the bottleneck towards it; dashed, since it is gone after training."""
    row, size = bottleneck.row, anatomy.bottleneck[0]
    teacher = draw_box(ax, Box(LEFT, row - 1.5, WIDE), "frozen", "audio encoder (frozen)", f"{size} per mixture")
    loss = draw_box(ax, Box(LEFT, row, WIDE), "align", "alignment loss", "1 − cosine; training only", dashed=True)
    mean = Box((loss.at("r")[0] + bottleneck.at("l")[0]) / 2, row)
    draw_arrow(ax, (LEFT, HEIGHT / 2), teacher.at("t"), dashed=True)
    draw_arrow(ax, teacher.at("b"), loss.at("t"), dashed=True)
    draw_arrow(ax, bottleneck.at("l"), loss.at("r"), dashed=True)
    ax.text(mean.x, row - 0.1, f"mean: {size}", ha="center", va="bottom", fontsize=7.5)


def _remarks(ax: Axes, anatomy: Anatomy, encoder: list[Box], decoder: list[Box]) -> None:
    """What runs how often, beside the two arms of the U, and the name of its foot."""
    style = {"fontsize": 8, "style": "italic", "color": TEXT}
    i = len(decoder) // 2 + 1
    often = "source" if "mid_projection" in anatomy.layers else "mixture"
    ax.text(encoder[i].at("l")[0] - 0.2, i, "encoder:\nonce per\nmixture", ha="right", va="center", **style)
    ax.text(decoder[i].at("r")[0] + 0.2, i, f"decoder:\nonce per\n{often}", ha="left", va="center", **style)
    ax.text(encoder[-1].x, encoder[-1].row + 0.42, "bottleneck", ha="center", va="top", **style)


def pipeline(ax: Axes, anatomy: Anatomy, *, aligned: bool, title: str) -> Axes:
    """The whole separator.

    Parameters
    ----------
    ax : Axes
    anatomy : Anatomy
        From `avsep_lib.anatomy.trace`.
    aligned : bool
        Draw the alignment branch.
    title : str
    """
    depth = len(anatomy.group("unet.down."))
    encoder = draw_encoder(ax, anatomy)
    decoder = draw_decoder(ax, anatomy, encoder)
    sight = draw_sight(ax, anatomy, depth)
    draw_middle(ax, anatomy, encoder[-1], decoder[-1], sight)
    draw_head(ax, anatomy, decoder[0], sight)
    if aligned:
        draw_alignment(ax, anatomy, encoder[-1])
    _remarks(ax, anatomy, encoder, decoder)
    ax.text(0.15, -1.08, title[:1].upper() + title[1:], va="center", fontsize=11.5, fontweight="bold")
    ax.text(0.15, -0.68, "shapes: channels × rows × frames", va="center", fontsize=8, color=TEXT)
    ax.set(xlim=(0, 16), ylim=(depth + 0.8, -1.5), aspect="auto")
    ax.set_axis_off()
    return ax


def pipeline_size(anatomy: Anatomy) -> tuple[float, float]:
    """Figure size in inches that gives every row the same height."""
    return 10.2, 0.62 * (len(anatomy.group("unet.down.")) + 2.4)
