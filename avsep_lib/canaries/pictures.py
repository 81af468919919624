"""Does a picture belong to its moment, and does it show the instrument rather than something that gives it away?"""

from __future__ import annotations

import numpy as np

from avsep_lib.canaries.evidence import Evidence, spread
from avsep_lib.canaries.findings import Finding, at_most, none_of, not_applicable, noted
from avsep_lib.encoders.frames import decode_frame, read_bytes
from avsep_lib.manifest import is_solo

N_PICTURES = 240
CORNER = 0.08  # of width and height: where a backdrop shows and no instrument
TOLD_BY_CORNERS = 0.5  # share of clips; backdrops drawn by themselves tell one in the number of classes


def frame_outside_crop(evidence: Evidence) -> list[Finding]:
    """The picture of a source is one of the moment that is heard; of a validation or test pair, the middle one."""
    seconds, found = evidence.audio.n_samples / evidence.audio.sample_rate, {}
    table = evidence.store.table
    for name, rows in evidence.lists.items():
        clips = table.loc[rows.clip_id]
        last, fps = clips.n_frames.to_numpy(int) - 1, clips.fps.to_numpy(float)
        start, frame = rows.start_s.to_numpy(float), rows.frame.to_numpy(int)
        first, end = np.floor(start * fps), np.floor((start + seconds) * fps)
        if name != "pool":
            first = end = np.floor(clips.duration_s.to_numpy(float) / 2 * fps)
        wrong = (frame < np.minimum(first, last)) | (frame > np.minimum(end, last))
        found[name] = [f"{m} source {s}" for m, s in rows[wrong][["mixture_id", "source"]].to_numpy()]
    images = evidence.embeddings("images")
    some = [c for c in spread(list(images.clip_ids), N_PICTURES) if c in table.index]
    short = [c for c in some if len(images.frames(c)) != int(table.n_frames[c])]
    return [
        none_of("training pictures from outside of what is heard", found["pool"]),
        none_of("validation and test pictures that are not the middle one", [*found["val"], *found["test"]]),
        none_of("clips with another number of embeddings than pictures", short),
    ]


def corner_colours(evidence: Evidence, clip_id: str) -> np.ndarray:
    """Mean colour of the four corners of a clip's middle picture, 12 numbers."""
    path = evidence.store.frame_path(clip_id, int(evidence.store.row(clip_id).n_frames) // 2)
    picture = decode_frame(read_bytes(path), path).astype(float)
    height, width = (max(int(CORNER * n), 1) for n in picture.shape[:2])
    corners = [
        picture[rows, columns]
        for rows in (slice(height), slice(-height, None))
        for columns in (slice(width), slice(-width, None))
    ]
    return np.concatenate([corner.mean(axis=(0, 1)) for corner in corners])


def backdrop_gives_label_away(evidence: Evidence) -> list[Finding]:
    """The backdrop does not tell the class: the colours of a picture's corners do not find another clip of it."""
    if evidence.key != evidence.dataset:
        why = f"the pictures are those of {evidence.dataset}, which are looked at there"
        return [not_applicable("classes told by the corners of pictures", why)]
    table = evidence.store.table
    solos = table[is_solo(table) & (table.split != "pretrain")]
    clips = spread(list(solos.clip_id), N_PICTURES)
    colours = np.stack([corner_colours(evidence, clip) for clip in clips])
    labels, videos = (solos.loc[clips, name].to_numpy() for name in ("labels", "video_id"))
    distance = ((colours[:, None] - colours) ** 2).sum(axis=-1)
    distance[videos[:, None] == videos] = np.inf
    told = float(np.mean(labels[distance.argmin(axis=1)] == labels))
    what = f"classes told by the corners of {len(clips)} pictures, share"
    return [noted(what, told) if evidence.recorded else at_most(what, told, TOLD_BY_CORNERS)]
