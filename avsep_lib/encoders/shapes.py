"""Names and shapes of the tensors that a pretrained network consists of, without building it.

A wrong file is found by its header alone, before torch is imported. That these lists equal the networks that are then
built is a test.
"""

from __future__ import annotations

from functools import cache

Shapes = dict[str, tuple[int, ...]]

HTSAT = {  # width of the first stage, blocks per stage; laion_clap's create_htsat_model
    "HTSAT-tiny": (96, (2, 2, 6, 2)),
    "HTSAT-base": (128, (2, 2, 12, 2)),
    "HTSAT-large": (256, (2, 2, 12, 2)),
}
WINDOW = 64  # patches of one attention window, 8 x 8


def _layer(name: str, rows: int, columns: int) -> Shapes:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _batch_norm(name: str, width: int) -> Shapes:
    running = {f"{name}.running_mean": (width,), f"{name}.running_var": (width,), f"{name}.num_batches_tracked": ()}
    return _norm(name, width) | running


def _clip_blocks(prefix: str, width: int) -> Shapes:
    shapes: Shapes = {}
    for i in range(12):
        block = f"{prefix}transformer.resblocks.{i}"
        shapes |= _norm(f"{block}.ln_1", width) | _norm(f"{block}.ln_2", width)
        shapes |= {f"{block}.attn.in_proj_weight": (3 * width, width), f"{block}.attn.in_proj_bias": (3 * width,)}
        shapes |= _layer(f"{block}.attn.out_proj", width, width)
        shapes |= _layer(f"{block}.mlp.c_fc", 4 * width, width) | _layer(f"{block}.mlp.c_proj", width, 4 * width)
    return shapes


@cache
def clip_shapes() -> Shapes:
    """CLIP ViT-B/32 in open_clip's naming: 302 tensors."""
    text, image, joint = 512, 768, 512
    shapes: Shapes = {"positional_embedding": (77, text), "text_projection": (text, joint), "logit_scale": ()}
    shapes |= {"visual.class_embedding": (image,), "visual.positional_embedding": (50, image)}
    shapes |= {"visual.proj": (image, joint), "visual.conv1.weight": (image, 3, 32, 32)}
    shapes |= _norm("visual.ln_pre", image) | _clip_blocks("visual.", image) | _norm("visual.ln_post", image)
    return shapes | _clip_blocks("", text) | {"token_embedding.weight": (49408, text)} | _norm("ln_final", text)


def _htsat_block(name: str, width: int, heads: int, windows: int) -> Shapes:
    """A Swin block; every second one is shifted and masks what does not touch, unless a single window is left."""
    shapes: Shapes = {f"{name}.attn_mask": (windows, WINDOW, WINDOW)} if windows else {}
    shapes |= {f"{name}.attn.relative_position_bias_table": (225, heads)}
    shapes |= {f"{name}.attn.relative_position_index": (WINDOW, WINDOW)}
    shapes |= _norm(f"{name}.norm1", width) | _norm(f"{name}.norm2", width)
    shapes |= _layer(f"{name}.attn.qkv", 3 * width, width) | _layer(f"{name}.attn.proj", width, width)
    return shapes | _layer(f"{name}.mlp.fc1", 4 * width, width) | _layer(f"{name}.mlp.fc2", width, 4 * width)


def _htsat_stages(width: int, depths: tuple[int, ...]) -> Shapes:
    shapes: Shapes = {}
    for stage, depth in enumerate(depths):
        name, channels, windows = f"audio_branch.layers.{stage}", width << stage, (64, 16, 4, 0)[stage]
        for block in range(depth):
            shapes |= _htsat_block(f"{name}.blocks.{block}", channels, 4 << stage, windows if block % 2 else 0)
        if stage < len(depths) - 1:
            shapes |= {f"{name}.downsample.reduction.weight": (2 * channels, 4 * channels)}
            shapes |= _norm(f"{name}.downsample.norm", 4 * channels)
    return shapes


@cache
def clap_shapes(model: str) -> Shapes:
    """CLAP's audio tower of a name in `HTSAT`, as in LAION's checkpoints: ``audio_branch``, ``audio_projection``."""
    width, depths = HTSAT[model]
    out, front = 8 * width, "audio_branch.spectrogram_extractor.stft.conv"
    shapes: Shapes = {f"{front}_real.weight": (513, 1, 1024), f"{front}_imag.weight": (513, 1, 1024)}
    shapes |= {"audio_branch.logmel_extractor.melW": (513, 64)} | _batch_norm("audio_branch.bn0", 64)
    shapes |= {"audio_branch.patch_embed.proj.weight": (width, 1, 4, 4), "audio_branch.patch_embed.proj.bias": (width,)}
    shapes |= _norm("audio_branch.patch_embed.norm", width) | _htsat_stages(width, depths)
    shapes |= _norm("audio_branch.norm", out)
    shapes |= {"audio_branch.tscam_conv.weight": (527, out, 2, 3), "audio_branch.tscam_conv.bias": (527,)}
    shapes |= _layer("audio_branch.head", 527, 527)
    return shapes | _layer("audio_projection.0", 512, out) | _layer("audio_projection.2", 512, 512)


@cache
def clap_text_shapes() -> Shapes:
    """CLAP's text tower: RoBERTa-base as ``text_branch``, and ``text_projection``."""
    width, stem = 768, "text_branch.embeddings"
    shapes: Shapes = {
        f"{stem}.word_embeddings.weight": (50265, width),
        f"{stem}.token_type_embeddings.weight": (1, width),
    }
    shapes |= {f"{stem}.position_embeddings.weight": (514, width)} | _norm(f"{stem}.LayerNorm", width)
    for i in range(12):
        block = f"text_branch.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            shapes |= _layer(f"{block}.attention.self.{part}", width, width)
        shapes |= _layer(f"{block}.attention.output.dense", width, width)
        shapes |= _norm(f"{block}.attention.output.LayerNorm", width)
        shapes |= _layer(f"{block}.intermediate.dense", 4 * width, width)
        shapes |= _layer(f"{block}.output.dense", width, 4 * width) | _norm(f"{block}.output.LayerNorm", width)
    shapes |= _layer("text_branch.pooler.dense", width, width)
    return shapes | _layer("text_projection.0", 512, width) | _layer("text_projection.2", 512, 512)


@cache
def resnet18_shapes() -> Shapes:
    """ResNet-18's convolutional trunk in torchvision's naming, without the classifier ``fc``."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)} | _batch_norm("bn1", 64)
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name, inputs = f"layer{stage}.{block}", before if block == 0 else width
            shapes |= {f"{name}.conv1.weight": (width, inputs, 3, 3)} | _batch_norm(f"{name}.bn1", width)
            shapes |= {f"{name}.conv2.weight": (width, width, 3, 3)} | _batch_norm(f"{name}.bn2", width)
        if before != width:
            shapes |= {f"layer{stage}.0.downsample.0.weight": (width, before, 1, 1)}
            shapes |= _batch_norm(f"layer{stage}.0.downsample.1", width)
        before = width
    return shapes
