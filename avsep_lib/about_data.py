"""What stands in the places of the paper's datasets in a profile, in words for the notebooks."""

from __future__ import annotations

from avsep_lib.config import Profile
from avsep_lib.inputs import dataset_of
from avsep_lib.tables.names import PLACES, SEPARATION

EMBEDDED = {
    "music11": "Eleven instruments of a SoundFont play seeded melodies, and drawn performers move with the notes.",
    "music21": "Twenty-one instruments of a SoundFont. It lacks real recordings of some: the erhu is a fiddle, the "
    "guzheng a koto, the pipa a shamisen, the ukulele a nylon-string guitar, and congas and drum are keys of the "
    "percussion kits.",
    "wild": "Sounds of a SoundFont: sound effects (seashore, birds, a telephone, a helicopter, applause, a gunshot and "
    "others), percussion keys and presets that no instrument above uses. "
    "Background noise is louder, and the pictures are cluttered with objects that make no sound. It is not VGGSound; "
    "it only shares its difficulty: many classes, few examples of each, noise.",
}


def about_dataset(profile: Profile, dataset: str) -> str:
    """One paragraph: what a dataset of a profile is, and what is not known of it.

    Parameters
    ----------
    profile : Profile
    dataset : str
        A dataset of the profile, or a place of the paper's (`avsep_lib.inputs.dataset_of`).
    """
    name = dataset_of(profile, dataset)
    settings = profile.datasets[name]
    if not profile.is_recorded(name):
        n_classes = len(settings.classes)
        known = EMBEDDED.get(name, "")
        return f"**{name}** (embedded, {n_classes} classes). {known}".strip()
    return (
        f"**{profile.title_of(name)}** (recordings, format `{settings.format}`). Nothing is known of these clips but "
        "their labels and what the audit measured: no instrument is a stand-in, but no label is checked either, and what "
        "sounds beside the labelled source is not written down anywhere."
    )


def about_place(profile: Profile, table: int) -> str:
    """`about_dataset` of what stands in the place of the dataset of one of the paper's Tables 1 to 3, if anything."""
    name = dataset_of(profile, SEPARATION[table][0])
    if name in profile.datasets:
        return f"In the place of {PLACES[table]}: {about_dataset(profile, name)}"
    return (
        f"This profile has no dataset in the place of {PLACES[table]}. The table holds the paper's rows as quoted, and "
        "claims that need a dataset there are not testable here."
    )
