"""Which file each pretrained encoder needs, where it is published and where it goes."""

from __future__ import annotations

from dataclasses import dataclass

# Files that their publishers name by the SHA-256, or the beginning of it.
PUBLISHED = {
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af": "OpenAI's ViT-B-32.pt",
    "f37072fd": "torchvision's resnet18-f37072fd.pth",
}


@dataclass(frozen=True)
class Source:
    """A published file of weights.

    Attributes
    ----------
    kind : str
        What ``avsep weights`` calls it.
    title : str
        The network, for people.
    file, repository, size : str
        What to fetch, from where, and how much that is.
    hub : str
        Repository on the Hugging Face hub that holds `file` as safetensors, or empty: then it is a pickle, which is
        converted once.
    setting : str
        Key of the profile that names the local file.
    place : str
        Where to put it when the profile names no place; relative to the checkout.
    note : str
        What else there is to know.
    """

    kind: str
    title: str
    file: str
    repository: str
    size: str
    hub: str
    setting: str
    place: str
    note: str = ""

    def way_out(self, place: str = "") -> str:
        """What to fetch, and where to put it (`place`: the path that the profile already names, if any)."""
        fetch = f"Fetch {self.file} ({self.size}) of {self.repository}"
        put = f"put it at {place or self.place}" if self.hub else f"convert it once with `{self.convert(place)}`"
        name = f"which is what {self.setting} names" if place else f"and name it in the profile: {self.setting}"
        return f"{fetch}, {put}, {name}.{self._more()}"

    def convert(self, place: str = "", file: str = "") -> str:
        """The command that makes safetensors of the published pickle."""
        file = file or self.file
        sha256 = next((found for found, name in PUBLISHED.items() if len(found) == 64 and file in name), "HEX")
        options = f"--kind {self.kind} --out {place or self.place} --trust-pickle --sha256 {sha256}"
        return f"avsep weights convert {file} {options}"

    def _more(self) -> str:
        return f" {self.note}" if self.note else ""


CLIP = Source(
    kind="clip",
    title="CLIP ViT-B/32 of OpenAI",
    file="open_clip_model.safetensors",
    repository="timm/vit_base_patch32_clip_224.openai on the Hugging Face hub",
    size="605 MB",
    hub="timm/vit_base_patch32_clip_224.openai",
    setting="encoders.image.weights",
    place="weights/ViT-B-32-quickgelu-openai.safetensors",
    note="With a network, `hub: online` fetches it where that is left empty.",
)
CLAP = Source(
    kind="clap",
    title="CLAP HTS-AT of LAION",
    file="630k-audioset-best.pt",
    repository="lukewys/laion_clap on the Hugging Face hub",
    size="about 1.9 GB; the audio tower alone 0.13 GB",
    hub="",
    setting="encoders.audio.weights",
    place="weights/clap-htsat-tiny.safetensors",
    note="Checkpoints for music also need encoders.audio.model: HTSAT-base.",
)
RESNET18 = Source(
    kind="resnet18",
    title="ResNet-18 of ImageNet",
    file="resnet18-f37072fd.pth",
    repository="download.pytorch.org/models",
    size="47 MB",
    hub="",
    setting="model.backbone_weights",
    place="weights/resnet18-imagenet.safetensors",
    note="With a network, `hub: online` and model.backbone_weights: imagenet fetch the file.",
)
SOURCES = {source.kind: source for source in (CLIP, CLAP, RESNET18)}
TOKENIZER = (
    "Fetch vocab.json and merges.txt (1.4 MB; or tokenizer.json) of FacebookAI/roberta-base on the Hugging Face hub into "
    "one folder and name it in the profile: encoders.audio.tokenizer. Without one CLAP hears and does not read, "
    "which is all the separator needs."
)
