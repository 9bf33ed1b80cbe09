"""`xbar bench status`: who has a bench, since when, and what guards it."""

from rich.table import Table

from crossbar.cli.options import BenchOption, JsonOption
from crossbar.cli.output import console, print_json

REPORTS = 5
"""Last lines of the guardians' reports that are shown."""


def status(bench: BenchOption = "virtual", as_json: JsonOption = False) -> None:
    """Say who uses the instruments of a bench, and what guardians have done.

    Nothing is opened. A guardian is a process that makes a bench safe when its owner dies.
    """
    from crossbar.bench import load
    from crossbar.bench_instruments import spent
    from crossbar.bench_instruments import status as found
    from crossbar.guardian import reports

    description = load(bench)
    rows = [] if description.kind == "sim" else found(description)
    lines, used = reports(description.name, REPORTS), spent(description)
    if as_json:
        plain = {"bench": description.name, "instruments": rows, "array": used, "guardians": lines}
        print_json(plain)
        return
    if not rows:
        told = "a simulation" if description.kind == "sim" else "virtual, in each program's process"
        console.print(f"bench {description.name} is {told}: it has no owner and needs no guardian")
    else:
        table = Table(title=f"bench {description.name}", title_justify="left")
        for name in ("instrument", "used by", "since", "guardian"):
            table.add_column(name, overflow="fold")
        for row in rows:
            by = row["by"]
            if isinstance(by, dict):
                who = f"{by['program']} (process {by['pid']} on {by['host']})"
                guardian = "none" if by["guardian"] is None else f"process {by['guardian']}"
                table.add_row(str(row["instrument"]), who, str(by["since"]), guardian)
            else:
                said = "somebody, just opening it" if row["in_use"] else "nobody"
                table.add_row(str(row["instrument"]), said, "", "")
        console.print(table)
    if used is not None:
        console.print(
            f"{used['array']}: cells used {used['cells']}; most pulses {used['most_pulses']} "
            f"of {used['limit_pulses']} on cell {used['most_pulses_cell']}, most stress "
            f"{used['most_stress']:.3g} of {used['limit_stress']:g} V^2 s on cell "
            f"{used['most_stress_cell']}",
            markup=False,
            soft_wrap=True,
        )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
