"""What a fit found: constants and their errors, and how well the model then does."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from crossbar.backend import Array
from sim_backend.devices.perovskite import Perovskite


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A perovskite device that does as nearly as it can what was measured.

    Parameters
    ----------
    device
        The model, all constants that are not fitted or chosen at their defaults.
    errors
        Standard errors of the fitted constants, by name. They are those of the noise: where the
        residuals are the model's own failing they say little.
    chosen
        Constants that the data cannot tell and that were given a value which makes the others mean
        something, each with the reason.
    notes
        What else has to be known: polarity, points left out, constants that came to a bound.
    quantity
        ``"current"`` in A or ``"conductance"`` in S.
    applied
        V, shape ``(n,)``: the voltage of each point, or the amplitude of each pulse.
    measured, simulated
        In the quantity's unit, same shape; of the same points, in their order.
    residuals
        Of the points that were fitted: of currents in units of ln where they are well above the
        noise, of conductances as parts of the range.
    baseline
        Root mean square of the residuals of the best device that does not switch.
    """

    device: Perovskite
    errors: Mapping[str, float]
    chosen: Mapping[str, str]
    notes: tuple[str, ...]
    quantity: str
    applied: Array
    measured: Array
    simulated: Array
    residuals: Array
    baseline: float

    @property
    def constants(self) -> Mapping[str, float]:
        """Every constant of the device, by name."""
        return {field.name: getattr(self.device, field.name) for field in fields(self.device)}

    @property
    def fitted(self) -> tuple[str, ...]:
        """Names of the constants that the data identify."""
        return tuple(field.name for field in fields(self.device) if field.name in self.errors)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Names of the constants that the data say nothing about, at their defaults."""
        return tuple(
            field.name
            for field in fields(self.device)
            if field.name not in self.errors and field.name not in self.chosen
        )

    @property
    def rms(self) -> float:
        """Root mean square of the residuals; of currents, 0.1 is about 10 %."""
        return float((self.residuals**2).mean() ** 0.5)

    def toml(self) -> str:
        """Return the table ``[device]`` of a bench file that has this device."""
        lines = ["[device]", f'model = "{self.device.name}"']
        for name, error in sorted(self.errors.items(), key=lambda item: self._order(item[0])):
            value = getattr(self.device, name)
            lines.append(f"{name} = {value:.6g}  # fitted, standard error {error:.2g}")
        for name, reason in self.chosen.items():
            lines.append(f"{name} = {getattr(self.device, name):.6g}  # {reason}")
        lines.append(f"# assumed, at the model's defaults: {', '.join(self.assumed)}")
        lines += [f"# {note}" for note in self.notes]
        unit = "in units of ln" if self.quantity == "current" else "of the range"
        lines.append(
            f"# residuals: {self.rms:.3g} rms {unit}, {self.baseline:.3g} without switching"
        )
        return "\n".join(line if len(line) <= 100 else _wrapped(line) for line in lines) + "\n"

    def _order(self, name: str) -> int:
        return [field.name for field in fields(self.device)].index(name)


def _wrapped(line: str) -> str:
    """Return a comment over several lines; what is before it stays on the first."""
    import textwrap

    before, _, comment = line.partition("#")
    if before:
        return line
    return "\n".join(
        textwrap.wrap(comment.strip(), 96, initial_indent="# ", subsequent_indent="# ")
    )
