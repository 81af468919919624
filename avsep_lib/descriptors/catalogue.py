"""Which descriptors there are: column, unit, family, and the sign with which each enters its index.

Signs follow from the definitions and were written down before any gain of any instrument was looked at. The two
families are those of the paper's Figure 1: how short and sharp a sound is, and how complex its harmonic structure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Descriptor:
    """One acoustic descriptor.

    Attributes
    ----------
    column : str
        In the table of `avsep_lib.descriptors.measure`; ends in the unit.
    label : str
        For readers.
    unit : str
        As printed, after the display conversion.
    sign : int
        +1 or -1 in its index; 0 for a descriptor of no index.
    log : bool
        Compared across instruments on a logarithmic scale: times and frequencies are ratios. Ranks do not care.
    exponent : bool
        The column itself holds log10; readers see ten to its power.
    scale : float
        From the column to the printed unit.
    """

    column: str
    label: str
    unit: str
    sign: int
    log: bool = False
    exponent: bool = False
    scale: float = 1.0


@dataclass(frozen=True)
class Index:
    """Mean of the z-scores of several descriptors, each with its sign.

    Attributes
    ----------
    column, label : str
    low, high : str
        What the ends of its axis mean.
    members : tuple of Descriptor
    """

    column: str
    label: str
    low: str
    high: str
    members: tuple[Descriptor, ...]


TRANSIENCE = Index(
    "transience_index",
    "transience index",
    "slow, sustained",
    "short, sharp",
    (
        Descriptor("attack_time_log10_s", "attack time", "ms", -1, exponent=True, scale=1e3),
        Descriptor("onset_rate_per_s", "onset rate", "per s", +1),
        Descriptor("percussive_energy_percent", "percussive energy", "%", +1),
        Descriptor("decay_time_s", "decay time", "s", -1, log=True),
        Descriptor("spectral_flux_percent", "spectral flux", "%", +1),
    ),
)
"""High for sounds that begin suddenly, often, with noise, die away fast and change all the time."""

COMPLEXITY = Index(
    "complexity_index",
    "harmonic complexity index",
    "pure, simple",
    "rich, complex",
    (
        Descriptor("partials_above_minus_30_db", "partials above −30 dB", "", +1),
        Descriptor("spectral_entropy_bit", "spectral entropy", "bit", +1),
        Descriptor("inharmonicity_percent", "inharmonicity", "%", +1),
        Descriptor("harmonic_to_noise_db", "harmonics to noise", "dB", -1),
        Descriptor("spectral_centroid_hz", "spectral centroid", "Hz", +1, log=True),
    ),
)
"""High for many partials, spread over the spectrum, away from one harmonic series, with noise, and bright."""

PITCH = Descriptor("median_pitch_hz", "median pitch", "Hz", 0, log=True)

INDICES: tuple[Index, ...] = (TRANSIENCE, COMPLEXITY)
DESCRIPTORS: tuple[Descriptor, ...] = (*TRANSIENCE.members, *COMPLEXITY.members, PITCH)
