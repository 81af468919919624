"""CLAP's text tower (RoBERTa-base and a projection), for those who have its weights and a real tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from avsep_lib.encoders.base import EMBEDDING_DIM
from avsep_lib.encoders.clap import ClapAudioEncoder
from avsep_lib.encoders.pretrained import clap_text_file
from avsep_lib.encoders.roberta import VOCABULARY, load_tokenizer
from avsep_lib.encoders.settings import AudioEncoderSettings
from avsep_lib.encoders.sources import CLAP
from avsep_lib.encoders.towers import AudioTower
from avsep_lib.encoders.weights import load_selected

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TextTower(nn.Module):
    """RoBERTa-base with its pooling layer, and CLAP's projection; the names are those of a CLAP checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import RobertaConfig, RobertaModel

        # The published roberta-base; transformers' defaults are an older BERT's.
        config = RobertaConfig(
            vocab_size=VOCABULARY, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
        )
        self.text_branch = RobertaModel(config)
        self.text_projection = nn.Sequential(
            nn.Linear(config.hidden_size, EMBEDDING_DIM), nn.ReLU(), nn.Linear(EMBEDDING_DIM, EMBEDDING_DIM)
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Unit vectors (B, 512) of token ids and their mask, both (B, tokens)."""
        pooled = self.text_branch(input_ids=ids, attention_mask=mask).pooler_output
        return F.normalize(self.text_projection(pooled), dim=-1)


class ClapWithText(ClapAudioEncoder):
    """Both towers of CLAP, frozen."""

    def __init__(
        self, tower: AudioTower, settings: AudioEncoderSettings, key: str, text: TextTower, tokenizer: Tokenizer
    ) -> None:
        super().__init__(tower, settings, key)
        self.text = text.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def encode_text(self, captions: list[str]) -> np.ndarray:
        """Unit vectors, float32 (B, 512), of captions."""
        tokens = self.tokenizer.encode_batch(list(captions))
        ids, mask = (torch.tensor([getattr(t, name) for t in tokens]) for name in ("ids", "attention_mask"))
        return self.text(ids, mask).numpy()

    def describe(self) -> dict[str, Any]:
        """Name, input, size and content key."""
        both = super().describe()
        both["parameters"] += sum(p.numel() for p in self.text.parameters())
        return both | {"name": f"CLAP {self.settings.model}, with its text tower"}


def load_text_tower(settings: AudioEncoderSettings) -> tuple[TextTower, Tokenizer]:
    """The text tower and tokenizer that `settings` name.

    Raises
    ------
    WeightsError
        The tokenizer is not RoBERTa's, or the checkpoint holds no text tower.
    """
    tokenizer = load_tokenizer(settings.tokenizer)
    found = clap_text_file(settings)
    tower = TextTower()
    load_selected(tower, found.path, found.selection, CLAP.way_out(settings.weights))
    return tower, tokenizer
