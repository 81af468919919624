"""Time that is left: of this command, and of all commands on this machine together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from avsep_lib.files import read_json, write_json


class OutOfTime(Exception):
    """The command's time is over; what is done is kept."""


@dataclass
class Clock:
    """Use `Clock.start`.

    Attributes
    ----------
    minutes : float
        Of this command.
    total : float
        Of all commands, in minutes.
    used : float
        Seconds that earlier commands took.
    """

    path: Path
    minutes: float
    total: float
    used: float
    now: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.now()

    @classmethod
    def start(cls, path: Path, minutes: float, total: float) -> Clock:
        """Start the clock of a command; `path` remembers the seconds that earlier ones took."""
        return cls(path, minutes, total, read_json(path)["seconds"] if path.exists() else 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since this command began."""
        return self.now() - self.began

    @property
    def left(self) -> float:
        """Seconds of this command that are left."""
        return 60 * min(self.minutes, self.total - self.used / 60) - self.seconds

    @property
    def left_in_all(self) -> float:
        """Seconds that are left over all commands."""
        return 60 * self.total - self.used - self.seconds

    @property
    def is_last(self) -> bool:
        """Whether no time is left for another command of this length, or of a third of it."""
        return self.used + 60 * self.minutes * 4 / 3 > 60 * self.total

    def check(self, needed: float = 0.0) -> None:
        """OutOfTime unless `needed` seconds are left."""
        if self.left <= needed:
            raise OutOfTime

    def save(self) -> None:
        """Remember what this command took."""
        write_json(self.path, {"seconds": self.used + self.seconds})
