"""Under which licence an installed distribution comes, as far as it says so itself."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageMetadata, distributions

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name

UNKNOWN = "unknown"
SHORT = 60  # characters; what is longer is the text of a licence and not its name
NO_NAME = re.compile(r"copyright|^unknown$|^=+$|\.txt$|license agreement|^dual", re.IGNORECASE)
# Names of classifiers that are also those of SPDX; the others are kept as they are.
SPDX = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
SAME = {"BSD 3-Clause License": "BSD-3-Clause", "BSD 2-Clause License": "BSD-2-Clause", "MIT license": "MIT"}
SAME |= {"3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0", "Apache 2.0 License": "Apache-2.0"}
SAME |= {"Apache License, Version 2.0": "Apache-2.0", "PSFL": "PSF-2.0"} | SPDX
FILES = re.compile(r"(^|/)(licen[cs]e|copying)[^/]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Licence:
    """A licence and what says so: ``expression``, ``field`` or ``classifier`` of the metadata, ``file``, or nobody."""

    name: str
    said_by: str

    @property
    def spdx(self) -> str:
        """The canonical SPDX expression; empty when the name is none."""
        return spdx_of(self.name)


def spdx_of(text: str) -> str:
    """`text` as a canonical SPDX expression; empty when it is none."""
    try:
        return str(canonicalize_license_expression(SAME.get(text, text)))
    except InvalidLicenseExpression:
        return ""


def licence_of(distribution: Distribution) -> Licence:
    """The licence of an installed distribution.

    The metadata's SPDX expression if there is one; else its free field if that names a licence of SPDX, its classifiers,
    the free field as it is, or the first line of its licence file.
    """
    metadata = metadata_of(distribution)
    if expression := metadata.get("License-Expression"):
        return Licence(expression, "expression")
    field = next(iter((metadata.get("License") or "").strip().splitlines()), "").strip()
    field = "" if len(field) > SHORT or NO_NAME.search(field) else field
    if spdx := spdx_of(field):
        return Licence(spdx, "field")
    said = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or [] if _names_one(text)]
    if said:
        return Licence(", ".join(SPDX.get(name, name) for name in dict.fromkeys(said)), "classifier")
    if field:
        return Licence(field, "field")
    line = _first_line(distribution)
    return Licence(SAME.get(line, line), "file") if line else Licence(UNKNOWN, "nobody")


def _names_one(classifier: str) -> bool:
    return classifier.startswith("License :: ") and not classifier.endswith(("OSI Approved", "DFSG approved"))


def _first_line(distribution: Distribution) -> str:
    """First line of a licence file that reads as a name."""
    for file in distribution.files or []:
        if FILES.search(str(file)) and ".dist-info" in str(file) and file.locate().is_file():
            text = file.locate().read_text(errors="replace").strip()
            line = next(iter(text.splitlines()), "").strip()
            return line if line and len(line) <= SHORT and not NO_NAME.search(line) else ""
    return ""


@functools.cache
def metadata_of(distribution: Distribution) -> PackageMetadata:
    """What a distribution says of itself, read once: importlib reads the file again for each question."""
    return distribution.metadata


@functools.cache
def _installed() -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        found.setdefault(str(canonicalize_name(metadata_of(distribution)["Name"])), distribution)
    return dict(sorted(found.items()))


def installed() -> dict[str, Distribution]:
    """Installed distributions by canonical name."""
    return dict(_installed())
