"""Samples of a scope on their way to the computer."""

import numpy as np

from crossbar.backend import Array
from sim_backend.virtual.libdwf.acquisition import Acquisition

_CHANNELS = 2


class Samples:
    """What an acquisition has taken, and what of it the computer has fetched.

    Parameters
    ----------
    acquisition
        Whose samples these are.
    memory
        How many samples of a record the device holds until they are fetched.
    """

    def __init__(self, acquisition: Acquisition, memory: int) -> None:
        self._scans = acquisition.scans
        self._shifts = self._scans and acquisition.settings.mode == 1
        self._records = acquisition.records
        self._memory = memory
        size = 0 if self._records else acquisition.settings.size
        self._held = np.zeros((_CHANNELS, size))
        self._chunks: list[Array] = []
        self.taken = 0
        self.view = np.zeros((_CHANNELS, size))
        self.valid = 0
        self.lost = 0
        self.fetched = 0

    @property
    def write_index(self) -> int:
        """Where the next sample goes."""
        size = self._held.shape[1]
        return self.taken % size if size else 0

    def add(self, samples: Array) -> None:
        """Take samples of both channels, V, shape ``(2, n)``."""
        count = samples.shape[1]
        if self._records:
            self._chunks.append(samples)
        elif self._scans:
            where = (self.taken + np.arange(count)) % self._held.shape[1]
            self._held[:, where] = samples
        else:
            self._held[:, self.taken : self.taken + count] = samples
        self.taken += count

    def fetch(self) -> None:
        """Move what there is to the computer."""
        if self._records:
            new = np.concatenate(self._chunks, axis=1) if self._chunks else np.zeros((_CHANNELS, 0))
            self._chunks = []
            self.lost = max(new.shape[1] - self._memory, 0)
            self.view = new[:, self.lost :]
            self.valid = self.view.shape[1]
        elif self._shifts and self.taken > self._held.shape[1]:
            self.view = np.roll(self._held, -self.write_index, axis=1)
            self.valid = self._held.shape[1]
        else:
            self.view = self._held.copy() if self._scans else self._held
            self.valid = min(self.taken, self._held.shape[1])
        self.fetched = self.taken
