"""The bench in simulation: the same verbs, answered by device and array physics."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    Cells,
    ClosedError,
    Flag,
    LimitError,
    Limits,
    Reading,
    Second,
    Sweep,
    Volt,
)
from sim_backend import schemes
from sim_backend.addressing import Addressing, rounds
from sim_backend.array import Circuit
from sim_backend.converters import Readout
from sim_backend.devices.device import Device, State
from sim_backend.schemes import SCHEMES
from sim_backend.settings import SimulationSettings
from sim_backend.sweep import held

UNLIMITED: Ampere = 1.0
"""More than any cell carries."""

LARGEST_KEPT = 4_000_000
"""Values: a little under 32 MiB, the largest block that glibc learns from; see mallopt(3)."""


class SimulatedBackend:
    """A bench without hardware, with its own clock; see `crossbar.backend.Backend` for the verbs.

    What is approximated:

    - The selected cells of one call are pulsed before the half-select stress of that call reaches
      anybody; then every cell takes its accumulated dose at once.
    - Half-select stress moves a cell's state but, unlike a pulse of its own, neither draws a new
      relaxation nor restarts its clock, however far it moves the state. At V/2 a staircase that
      goes up to 3.8 V moves neighbours noticeably: `ProgramReport.ended` shows how much.
    - During `drive` conductances hold still at the call's start, and read stress is that of lines
      without resistance.
    - Read noise passes through line resistance and sneak paths at small signal, and the part that
      one cell gives to several bit lines is drawn for each of them independently.
    - `sweep` is a four-terminal measurement: its voltages are those at the cell.

    Read stress follows the device's own law: with default constants a 0.1 ms read at 0.2 V moves
    a median cell by at most 1.6e-7 of its range, one at 0.5 V by 7e-7.

    Parameters
    ----------
    settings
        What the bench is made of.
    rng
        Source of all chance; a generator from `settings.seed` by default.
    """

    def __init__(
        self,
        settings: SimulationSettings | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        s = SimulationSettings() if settings is None else settings
        self._settings = s
        self._seeded = rng is None
        self._rng = np.random.default_rng(s.seed) if rng is None else rng
        self._shape = (s.word_lines, s.bit_lines)
        self._device: Device = s.device.build(self._shape, self._rng)
        self._readout = Readout.drawn(s.tia, s.adc, s.bit_lines, self._rng)
        circuit = Circuit(self._shape, s.line_resistance)
        self._addressing = Addressing(circuit, self._device, self._shape, s.line_resistance > 0)
        self._now = 0.0
        self._closed = False
        # Giving back one large block, never written, tells the C library to keep what is freed
        # later. Otherwise it returns each intermediate result of a large array to the system and
        # asks for it again, which takes as long as all the arithmetic.
        np.empty(min(64 * s.word_lines * s.bit_lines, LARGEST_KEPT))

    def __enter__(self) -> "SimulatedBackend":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self._shape

    @property
    def limits(self) -> Limits:
        """What this bench accepts."""
        return self._settings.limits

    @property
    def now(self) -> Second:
        """Simulated time since the array was fresh, s."""
        return self._now

    @property
    def conductances(self) -> Array:
        """True small-signal conductances now, S: for studies, no bench knows them."""
        return self._device.conductance(self._now)

    def set_conductances(self, conductances: Array) -> None:
        """Place every cell exactly: for studies and tests, no bench can.

        Parameters
        ----------
        conductances
            S, shape `shape`; stuck cells are placed too.

        Raises
        ------
        LimitError
            If the shape is wrong, or a conductance is negative or not finite.
        """
        placed = np.asarray(conductances, dtype=np.float64)
        if placed.shape != self._shape:
            raise LimitError(f"conductances of shape {placed.shape} do not fit {self._shape}")
        if not np.all((placed >= 0) & np.isfinite(placed)):
            raise LimitError("conductances have to be finite and zero or more, in S")
        self._device.place(placed, self._now)

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell; each takes `read_time`."""
        self._check_cells(cells)
        (level,) = self._settings.dac.convert(np.array([voltage], dtype=np.float64))
        times: Array = self._now + self._settings.read_time * np.arange(1.0, len(cells) + 1)
        current, variance = self._addressing.observe(
            SCHEMES[self._settings.read_scheme], cells, float(level), times
        )
        self._now += self._settings.read_time * len(cells)
        self._device.disturb(*self._read_doses(cells, float(level)))
        return self._readout.measure(self._noisy(current, variance), cells.bit, self._rng)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one pulse per cell, in order, each followed after `dead_time` by its verify read.

        Half-select and read stress of the whole call reaches the cells after its last read.

        Raises
        ------
        LimitError
            If a cell is outside the array, shapes differ, a voltage is beyond the DAC's range, a
            width is not positive, or anything is not a number.
        """
        s = self._settings
        self._check_cells(cells)
        amplitudes = s.dac.convert(_vector("voltages", voltages, len(cells)))
        spans = _vector("widths", widths, len(cells))
        if not np.all((spans > 0) & np.isfinite(spans)):
            raise LimitError("pulse widths have to be finite and above 0 s")
        (level,) = s.dac.convert(np.array([read_voltage], dtype=np.float64))
        ends = self._now + np.cumsum(spans + s.dead_time + s.read_time)
        starts = ends - s.read_time
        starts -= s.dead_time
        starts -= spans
        current, variance = np.empty(len(cells)), np.empty(len(cells))
        set_dose, reset_dose = self._read_doses(cells, float(level))
        for positions in rounds(cells, self._shape):
            # A slice makes views, where positions would copy.
            chosen = positions if len(positions) < len(cells) else slice(None)
            part, length, begin = cells[chosen], spans[chosen], starts[chosen]
            seen, set_part, reset_part = self._addressing.write(
                SCHEMES[s.write_scheme], part, amplitudes[chosen], length, float(begin[0])
            )
            self._device.pulse((part.word, part.bit), seen, length, begin)
            set_dose += set_part
            reset_dose += reset_part
            current[chosen], variance[chosen] = self._addressing.observe(
                SCHEMES[s.read_scheme], part, float(level), ends[chosen]
            )
        self._now = float(ends[-1]) if len(cells) else self._now
        self._device.disturb(set_dose, reset_dose)
        return self._readout.measure(self._noisy(current, variance), cells.bit, self._rng)

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector; each takes `read_time`.

        Raises
        ------
        LimitError
            If the shape is not ``(batch, n_word)``, or a voltage is beyond the DAC's range or not
            a number.
        """
        self._check_open()
        inputs = np.asarray(voltages, dtype=np.float64)
        if inputs.ndim != 2 or inputs.shape[1] != self._shape[0]:
            raise LimitError(
                f"voltages of shape {inputs.shape} do not drive (batch, {self._shape[0]}) lines"
            )
        levels = self._settings.dac.convert(inputs)
        current, variance = self._addressing.multiply(levels, self._now)
        seconds = self._settings.read_time
        self._now += seconds * len(levels)
        rates = self._device.stress(levels)
        doses = (np.maximum(sign * rates, 0.0).sum(axis=0) * seconds for sign in (1.0, -1.0))
        self._device.disturb(*(np.broadcast_to(d[:, None], self._shape) for d in doses))
        return self._readout.measure(self._noisy(current, variance), slice(None), self._rng)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages; its state moves during each dwell, as in a pulse.

        Where the current would exceed the compliance the voltage at the cell is lowered until it
        does not, and the state sees the lowered voltage. Neighbours take the write scheme's stress
        after the last point.

        Raises
        ------
        LimitError
            If the cell is outside the array, a voltage is beyond the DAC's range, the compliance
            or the dwell is not positive, or anything is not a number.
        """
        selected = Cells.of([cell])
        self._check_cells(selected)
        asked = self._settings.dac.convert(_vector("voltages", voltages, np.size(voltages)))
        for value, name, unit in ((compliance, "compliance", "A"), (dwell, "dwell", "s")):
            if not 0 < value < np.inf:
                raise LimitError(f"{name} {value} {unit} is not finite and above zero")
        begin, count = self._now, len(asked)
        seen, f, conductances = held(self._device, cell, asked, compliance, dwell, begin)
        times: Array = begin + dwell * np.arange(1.0, count + 1)
        self._now += dwell * count
        repeated = Cells(np.full(count, cell[0]), np.full(count, cell[1]))
        _, set_dose, reset_dose = self._addressing.write(
            SCHEMES[self._settings.write_scheme], repeated, seen, np.full(count, dwell), begin
        )
        self._device.disturb(set_dose, reset_dose)
        current = self._noisy(conductances * f, (self._device.noise(conductances) * f) ** 2)
        reading = self._readout.measure(current, repeated.bit, self._rng)
        limited = np.where(seen != asked, np.uint8(Flag.COMPLIANCE), np.uint8(0))
        return Sweep(seen, reading.current, times, reading.flags | limited)

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell without a pause and without compliance, and measure at each.

        What a bench's amplifier does to fast waveforms, bandwidth above all, is not simulated.

        Raises
        ------
        LimitError
            As `sweep`.
        """
        if not 0 < largest < np.inf:
            raise LimitError(f"largest current {largest} A is not finite and above zero")
        swept = self.sweep(cell, voltages, UNLIMITED, interval)
        beyond = np.abs(swept.current) > largest
        flags = np.where(beyond, swept.flags | np.uint8(Flag.CLIPPED), swept.flags)
        return replace(swept, current=np.clip(swept.current, -largest, largest), flags=flags)

    def wait(self, duration: Second) -> None:
        """Let simulated time pass; it costs none.

        Raises
        ------
        LimitError
            If `duration` is negative or not finite.
        """
        self._check_open()
        if not 0 <= duration < np.inf:
            raise LimitError(f"a wait of {duration} s is not finite and zero or more")
        self._now += duration

    def describe(self) -> Mapping[str, object]:
        """Return the settings, the device model's constants, and which constants are assumed."""
        plain = self._settings.plain()
        if not self._seeded:
            plain["seed"] = "a generator was given"
        return {"kind": "sim", **plain, "device": dict(self._device.describe())}

    def snapshot(self) -> State:
        """Return copies of all that was drawn or has changed, after `close` too; simulation only.

        A backend of equal settings that restores it goes on with bit for bit the same numbers.
        """
        # A matrix that was brought up to date differs from a new one in its last digits.
        self._addressing.circuit.forget()
        return {
            **{f"device.{name}": values for name, values in self._device.snapshot().items()},
            "readout.gain": self._readout.gain.copy(),
            "readout.offset": self._readout.offset.copy(),
            "now": np.array(self._now),
            "generator": np.array(json.dumps(self._rng.bit_generator.state)),
        }

    def restore(self, state: State) -> None:
        """Take over a snapshot of a backend of equal settings; simulation only."""
        self._device.restore(_part(state, "device."))
        self._addressing.circuit.forget()
        gain, offset = np.array(state["readout.gain"]), np.array(state["readout.offset"])
        self._readout = replace(self._readout, gain=gain, offset=offset)
        self._now = float(state["now"])
        self._rng.bit_generator.state = json.loads(str(state["generator"]))

    def close(self) -> None:
        """Refuse every verb from now on; a second call does nothing."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the simulated bench is closed")

    def _check_cells(self, cells: Cells) -> None:
        self._check_open()
        cells.check(self._shape)

    def _noisy(self, current: Array, variance: Array) -> Array:
        # A sum of independent normal currents is normal: one draw per output, not one per cell.
        noise = self._rng.standard_normal(current.shape)
        noise *= np.sqrt(variance)
        noise += current
        return noise

    def _read_doses(self, cells: Cells, voltage: Volt) -> tuple[Array, Array]:
        """Return what reading these cells does to every cell, lines without resistance, s."""
        return schemes.doses(
            SCHEMES[self._settings.read_scheme],
            self._shape,
            cells,
            np.array([voltage]),
            np.full(len(cells), self._settings.read_time),
            self._device.stress,
            selected=True,
        )


def _part(state: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _vector(name: str, values: Array, count: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,):
        raise LimitError(f"{name} of shape {array.shape} do not fit {count} pulses or points")
    return array
