"""The procedure that PyMeasure's tools find in the head of a curve's results file."""

from typing import ClassVar

from pymeasure.experiment import Parameter, Procedure


class MeasuredCurve(Procedure):  # type: ignore[misc]  # PyMeasure has no types
    """A curve that was measured before: it carries its origin, and measures nothing."""

    device = Parameter("Device", default="")
    source = Parameter("Source", default="")
    format = Parameter("Format", default="")
    columns = Parameter("Columns", default="[]")
    notes = Parameter("Notes", default="[]")

    DATA_COLUMNS: ClassVar[list[str]] = ["Voltage (V)", "Current (A)", "Cycle"]

    def execute(self) -> None:
        """Do nothing: there is nothing left to measure."""
