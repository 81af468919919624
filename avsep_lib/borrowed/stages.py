"""What precedes training, and scoring: the library's own commands in their order, as the workflow's rules call them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from avsep_lib.borrowed.jobs import Job
from avsep_lib.borrowed.plan import Plan, PlannedRun
from avsep_lib.settings import to_dict


@dataclass(frozen=True)
class Folders:
    """Where things lie on the borrowed machine; below `data` as below ``results/<profile>/data/<dataset>``."""

    work: Path

    @property
    def data(self) -> Path:
        """Dataset, clips, encoders, embeddings, mixtures, features."""
        return self.work / "data"

    def run(self, run_id: str) -> Path:
        """Folder of a training."""
        return self.work / "runs" / run_id

    def scores(self, name: str) -> Path:
        """Scores of a run, or of the references."""
        return self.work / "scores" / f"{name}.csv"

    @property
    def descriptors(self) -> Path:
        """Acoustic descriptors of the test solos."""
        return self.work / "analysis" / "descriptors.csv"

    @property
    def latents(self) -> Path:
        """Latents of the grid."""
        return self.work / "analysis" / "latents.safetensors"

    @property
    def manifest(self) -> Path:
        """Manifest of the rendered dataset."""
        return self.data / "dataset" / "manifest.csv"

    def encoder(self, modality: str) -> Path:
        """Folder of a frozen encoder."""
        return self.data / "encoders" / modality

    def embeddings(self, what: str) -> Path:
        """``images`` or ``audio``."""
        return self.data / "embeddings" / f"{what}.safetensors"


def words(**options: object) -> tuple[str, ...]:
    """Command-line options: ``--audio-encoder`` for ``audio_encoder``, settings as JSON."""
    pairs = ((f"--{name.replace('_', '-')}", value) for name, value in options.items())
    return tuple(word for name, value in pairs for word in (name, _text(value)))


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float | Path) else json.dumps(to_dict(value))


class Stages:
    """The jobs of a plan; `cores` are shared by those that run beside each other."""

    def __init__(self, plan: Plan, folders: Folders, cores: int) -> None:
        self.plan, self.at, self.cores = plan, folders, cores
        self.half = max(cores // 2, 1)
        self.clips = words(clips=folders.data / "clips")
        self.settings = {"image": plan.image_encoder, "audio": plan.audio_encoder}

    def render(self) -> Job:
        """The dataset."""
        out = self.at.manifest.parent
        options = words(settings=self.plan.clips, out=out, workers=max(self.cores - 2, 1))  # two stay for measuring
        return Job("dataset", "avsep_lib.embedded", options, self.at.manifest)

    def decode(self) -> Job:
        """Its clips at the sample rate of the mixtures."""
        folder, rate = self.at.data / "clips", self.plan.audio.sample_rate
        options = words(manifest=self.at.manifest, sample_rate=rate, out=folder, workers=self.cores)
        return Job("clips", "avsep_lib.clips", options, folder / "clips.json")

    def encoder(self, modality: str) -> Job:
        """Teach one of the small encoders."""
        folder, settings = self.at.encoder(modality), self.settings[modality]
        options = (modality, *words(settings=settings, out=folder, threads=self.half), *self.clips)
        return Job(f"encoder-{modality}", "avsep_lib.encoders.train", options, folder / "config.json", self.half)

    def embed(self, what: str) -> Job:
        """Embed the frames (``images``) or the sounds (``audio``) of all clips."""
        modality, out = what.removesuffix("s"), self.at.embeddings(what)
        own = words(settings=self.settings[modality], encoder=self.at.encoder(modality), out=out)
        options = (what, *own, *words(threads=self.half, workers=self.half), *self.clips)
        return Job(f"embed-{what}", "avsep_lib.encoders.embed", options, out, self.half)

    def sanity(self) -> Job:
        """What the encoders know."""
        out = self.at.data / "embeddings" / "sanity.csv"
        settings = words(image_settings=self.plan.image_encoder, audio_settings=self.plan.audio_encoder)
        encoders = words(image_encoder=self.at.encoder("image"), audio_encoder=self.at.encoder("audio"))
        stores = words(images=self.at.embeddings("images"), audio=self.at.embeddings("audio"), out=out)
        return Job("sanity", "avsep_lib.encoders.sanity", (*settings, *encoders, *stores, *self.clips), out)

    def features(self) -> Job:
        """Spectrograms, embeddings and teacher vectors of the pool and of the validation pairs."""
        folder = self.at.data / "features"
        audio = words(audio=self.plan.audio, frame_size=self.plan.frame_size, mixtures=self.at.data / "mixtures")
        teacher = words(audio_encoder=self.at.encoder("audio"), audio_encoder_settings=self.plan.audio_encoder)
        options = (*audio, *teacher, *words(images=self.at.embeddings("images"), out=folder), *self.clips)
        return Job("features", "avsep_lib.features", options, folder / "val.safetensors", self.cores)

    def describe(self) -> Job:
        """Acoustic descriptors of the test solos."""
        options = words(manifest=self.at.manifest, out=self.at.descriptors)
        return Job("descriptors", "avsep_lib.descriptors", options, self.at.descriptors)

    def references(self) -> Job:
        """Scores of floor and ceilings."""
        name = f"references-{self.plan.dataset}"
        out = self.at.scores(name)
        options = (*words(references=self.plan.audio, mixtures=self.at.data / "mixtures", out=out), *self.clips)
        return Job(name, "avsep_lib.score", options, out)

    def score(self, run: PlannedRun) -> Job:
        """Scores of a trained run."""
        out, model = self.at.scores(run.run_id), self.at.run(run.run_id) / "model.safetensors"
        images, mixtures = self.at.embeddings("images"), self.at.data / "mixtures"
        options = words(model=model, mixtures=mixtures, images=images, row=run.row, out=out)
        if run.config.model.bottleneck == "teacher":
            teacher = self.at.encoder("audio")
            options += words(audio_encoder=teacher, audio_encoder_settings=self.plan.audio_encoder)
        return Job(f"score-{run.run_id}", "avsep_lib.score", (*options, *self.clips), out)
