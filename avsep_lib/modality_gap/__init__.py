"""The modality gap (the paper's Table 5, Eq. 9): how far apart the clouds of sounds and pictures are, and why.

Conventions
-----------
Every vector is divided by its norm first. A sound is the pooled bottleneck of a test solo, a picture the frozen image
embedding of the solo's centre frame; both have 512 dimensions and neither is projected. Eq. 9 is the difference of the
two mean vectors; the table prints a number, read as its norm. That norm is made of three others,

    gap**2 = audio_norm**2 + image_norm**2 - 2 audio_norm image_norm cosine,

the norms of the two means (how concentrated each cloud is, 1 if all vectors are equal) and the cosine between them (how
much they point the same way). A gap can therefore shrink although nothing approaches anything: the audio cloud only has
to spread. `centroids.attribution` tells the two apart.

References
----------
Liang et al., "Mind the gap", NeurIPS 2022.
"""

from avsep_lib.modality_gap.outcome import gap_outcome

__all__ = ["gap_outcome"]
