"""Frozen encoders: what the separator is told about a frame, and what its bottleneck is aligned with.

`load_image_encoder` and `load_audio_encoder` (in `base`) choose between the pretrained CLIP and CLAP towers of the paper
and small models of the same two classes (`mini_image`, `mini_audio`) that `train` fits on the pretraining split.
`embed` runs an encoder over the clips once; `store` reads the result back by clip; `sanity` says how good it is.

Importing this package loads neither torch nor a model.
"""

from avsep_lib.encoders.base import EMBEDDING_DIM, AudioEncoder, ImageEncoder, load_audio_encoder, load_image_encoder

__all__ = ["EMBEDDING_DIM", "AudioEncoder", "ImageEncoder", "load_audio_encoder", "load_image_encoder"]
