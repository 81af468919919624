"""RoBERTa's tokenizer, from files of which it is proved that they are RoBERTa's.

Without a network transformers builds a tokenizer with a vocabulary of five words where it cannot find the real one, and
says nothing; every caption then means the same. Here a vocabulary has to have the right size and to spell known
sentences, or it is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avsep_lib.encoders.files import located
from avsep_lib.encoders.sources import TOKENIZER
from avsep_lib.errors import WeightsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 50_265
MAX_TOKENS = 77  # as CLAP was trained
PADDING = 1  # id of <pad>
KNOWN = {  # of the published tokenizer, from the documentation and tests of transformers
    "Hello world": [0, 31414, 232, 2],
    " Hello world": [0, 20920, 232, 2],
    "Hello world! cécé herlolip 418": [0, 31414, 232, 328, 740, 1140, 12695, 69, 46078, 1588, 2],
}


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """Tokenizer of a folder with ``vocab.json`` and ``merges.txt``, or ``tokenizer.json``; pads and cuts to 77 tokens.

    Raises
    ------
    WeightsError
        Files are missing, cannot be read, or are another tokenizer's.
    """
    folder = located(folder)
    tokenizer = _read(folder)
    _prove(tokenizer, folder)
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding(length=MAX_TOKENS, pad_id=PADDING, pad_token="<pad>")
    return tokenizer


def _read(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    whole, parts = folder / "tokenizer.json", (folder / "vocab.json", folder / "merges.txt")
    try:
        if all(part.is_file() for part in parts):
            return _assembled(*map(str, parts))
        if whole.is_file():
            return Tokenizer.from_file(str(whole))
    except Exception as error:  # tokenizers raises plain Exceptions
        raise WeightsError(f"the tokenizer in {folder} cannot be read ({error}). {TOKENIZER}") from None
    raise WeightsError(f"{folder} holds neither vocab.json and merges.txt nor tokenizer.json. {TOKENIZER}")


def _assembled(vocabulary: str, merges: str) -> Tokenizer:
    """RoBERTa's byte-level pair encoding around a vocabulary."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import RobertaProcessing

    tokenizer = Tokenizer(BPE.from_file(vocabulary, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = Decoder()
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def _prove(tokenizer: Tokenizer, folder: Path) -> None:
    """WeightsError unless size and known sentences are RoBERTa's."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    size = tokenizer.get_vocab_size()
    if size != VOCABULARY:
        raise WeightsError(f"the tokenizer in {folder} knows {size:,} tokens, RoBERTa's {VOCABULARY:,}. {TOKENIZER}")
    for sentence, ids in KNOWN.items():
        found = tokenizer.encode(sentence).ids
        if found != ids:
            raise WeightsError(
                f"the tokenizer in {folder} is not RoBERTa's: it turns {sentence!r} into {found}, not {ids}. {TOKENIZER}"
            )
