"""An array as a netlist for ngspice: another program's solution, from another description."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Array, Mask

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="ngspice is not installed (Debian: ngspice)"
)
PRINTED = re.compile(r"^(\S+) = (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Spice:
    """What ngspice found: into word terminals and out of bit terminals, A; across cells, V."""

    word_current: Array
    bit_current: Array
    voltage: Array


def netlist(
    G: Array,
    ohms: tuple[float, float, float],
    word: Array,
    bit: Array,
    driven: tuple[Mask, Mask],
    b: float,
) -> str:
    """Return one input's netlist; ohms of segment, source and sense, b of the sinh law, 1/V."""
    segment, source, sense = ohms
    n, m = G.shape
    lines = ["crossbar"]
    for i in range(n):
        for j in range(m):
            ends = f"w{i}_{j} b{i}_{j}"
            if b == 0:
                lines.append(f"Rc{i}_{j} {ends} {1 / G[i, j]:.17g}")
            else:
                law = f"{G[i, j] / b:.17g}*sinh({b:.17g}*V(w{i}_{j},b{i}_{j}))"
                lines.append(f"Bc{i}_{j} {ends} I={law}")
            if j > 0:
                lines.append(f"Rw{i}_{j} w{i}_{j - 1} w{i}_{j} {segment:.17g}")
            if i > 0:
                lines.append(f"Rb{i}_{j} b{i - 1}_{j} b{i}_{j} {segment:.17g}")
    for i in np.flatnonzero(driven[0]).tolist():
        lines += [f"Vw{i} tw{i} 0 {word[i]:.17g}", f"Rtw{i} tw{i} w{i}_0 {segment + source:.17g}"]
    for j in np.flatnonzero(driven[1]).tolist():
        ohm = f"{segment + sense:.17g}"
        lines += [f"Vb{j} tb{j} 0 {bit[j]:.17g}", f"Rtb{j} b{n - 1}_{j} tb{j} {ohm}"]
    lines += [".options reltol=1e-9 abstol=1e-16 vntol=1e-13 gmin=1e-30 itl1=500", ".control"]
    lines += ["set numdgt=16", "op"]
    lines += [f"print i(vw{i})" for i in np.flatnonzero(driven[0]).tolist()]
    lines += [f"print i(vb{j})" for j in np.flatnonzero(driven[1]).tolist()]
    lines += [f"print v(w{i}_{j},b{i}_{j})" for i in range(n) for j in range(m)]
    return "\n".join([*lines, "quit", ".endc", ".end", ""])


def spice(
    folder: Path,
    G: Array,
    ohms: tuple[float, float, float],
    word: Array,
    bit: Array,
    driven: tuple[Mask, Mask] | None = None,
    b: float = 0.0,
) -> Spice:
    """Return ngspice's operating point of one input."""
    n, m = G.shape
    masks = (np.ones(n, bool), np.ones(m, bool)) if driven is None else driven
    file = folder / "array.cir"
    file.write_text(netlist(G, ohms, word, bit, masks, b))
    ran = subprocess.run(["ngspice", "-b", str(file)], capture_output=True, text=True, timeout=120)
    found = {name: float(value) for name, value in PRINTED.findall(ran.stdout)}
    assert len(found) == n * m + masks[0].sum() + masks[1].sum(), ran.stdout[-500:] + ran.stderr
    # A source's current is counted into its positive end.
    return Spice(
        word_current=np.array([-found.get(f"i(vw{i})", 0.0) for i in range(n)]),
        bit_current=np.array([found.get(f"i(vb{j})", 0.0) for j in range(m)]),
        voltage=np.array([[found[f"v(w{i}_{j},b{i}_{j})"] for j in range(m)] for i in range(n)]),
    )
