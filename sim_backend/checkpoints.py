"""A simulated array whose file follows it call by call: what happened to it stays."""

from collections.abc import Callable, Mapping

from crossbar.backend import Ampere, Array, Backend, Cells, Limits, Reading, Second, Sweep, Volt


class Checkpointed:
    """A backend that is saved after every call that lets time pass, and before it answers.

    Whoever is killed finds the array as it was after the last call that was answered, or after the
    one that was just being made.

    Parameters
    ----------
    backend
        The simulated bench.
    save
        Writes its state to its file.
    """

    def __init__(self, backend: Backend, save: Callable[[], None]) -> None:
        self._backend, self._save = backend, save

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self._backend.shape

    @property
    def limits(self) -> Limits:
        """What this bench accepts."""
        return self._backend.limits

    @property
    def now(self) -> Second:
        """Simulated time since the array was fresh, s."""
        return self._backend.now

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell."""
        answer = self._backend.read(cells, voltage)
        self._save()
        return answer

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one pulse per cell, in order, each followed by its verify read."""
        answer = self._backend.pulse(cells, voltages, widths, read_voltage)
        self._save()
        return answer

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages."""
        answer = self._backend.drive(voltages)
        self._save()
        return answer

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages, quasi-statically, and measure at each."""
        answer = self._backend.sweep(cell, voltages, compliance, dwell)
        self._save()
        return answer

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell without a pause, and measure at each."""
        answer = self._backend.trace(cell, voltages, interval, largest)
        self._save()
        return answer

    def wait(self, duration: Second) -> None:
        """Let simulated time pass; it costs none."""
        self._backend.wait(duration)
        self._save()

    def describe(self) -> Mapping[str, object]:
        """Return what made the numbers, as the bench says it."""
        return self._backend.describe()

    def close(self) -> None:
        """Refuse every verb from now on; a second call does nothing."""
        self._backend.close()
