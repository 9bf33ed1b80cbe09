"""Other simulators of resistive arrays, each behind one call, and why one is not here if it is not.

All but ngspice are asked for the circuit of `sim_backend.wires` without ends: one segment before
the first cell of a word line, one behind the last of a bit line.
"""

import importlib
import io
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from crossbar.backend import Array, Ohm

VOLT = 0.2
"""Full scale of the inputs; CrossSim's are relative to it."""

SIEMENS = 1e-4
"""Largest conductance; CrossSim's are relative to it."""


@dataclass(frozen=True)
class Missing:
    """A peer that cannot be run here."""

    name: str
    reason: str


def found(name: str, module: str, package: str, how: str) -> tuple[Any, str] | Missing:
    """Return a peer's module and version, or why there is none."""
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            loaded = importlib.import_module(module)
    except Exception as problem:  # a peer may fail to import in ways of its own
        return Missing(name, f"{type(problem).__name__}: {problem}; {how}")
    try:
        return loaded, f"{name} {version(package)}"
    except PackageNotFoundError:
        return loaded, f"{name}, version unknown"


class BadCrossbar:
    """badcrossbar: SuperLU on the nodal equations, factored anew by every call."""

    def __init__(self) -> None:
        self.found = found(
            "badcrossbar", "badcrossbar", "badcrossbar", "pip install badcrossbar (libcairo2-dev)"
        )

    def multiply(self, G: Array, volts: Array, segment: Ohm) -> Array:
        """Return the currents of a batch of inputs, A, ``(batch, n_bit)``."""
        assert not isinstance(self.found, Missing)  # noqa: S101
        logging.disable(logging.CRITICAL)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            solution = self.found[0].compute(volts.T, 1.0 / G, segment)
        logging.disable(logging.NOTSET)
        return np.asarray(solution.currents.output)


class CrossSim:
    """CrossSim: under-relaxed fixed point on the cells' voltages, to a tolerance of volts."""

    def __init__(self) -> None:
        how = "pip install --no-deps git+https://github.com/sandialabs/cross-sim"
        self.found = found("CrossSim", "simulator", "cross-sim", how)
        if not isinstance(self.found, Missing):
            importlib.import_module("simulator.backend").ComputeBackend(use_gpu=False)

    def solver(self, segment: Ohm, tolerance: float) -> Callable[[Array, Array], Array]:
        """Return ``multiply(G, volts)`` of a new solver; a batch is two-dimensional."""
        assert not isinstance(self.found, Missing)  # noqa: S101
        params = self.found[0].CrossSimParameters()
        params.xbar.device.Rmin = 1 / SIEMENS
        parasitics = params.xbar.array.parasitics
        parasitics.enable = True
        parasitics.Rp_row = parasitics.Rp_col = segment
        params.simulation.Verr_th_mvm = tolerance
        params.simulation.hide_convergence_msg = True
        params.core.style = "OFFSET"
        module = "simulator.circuits.array.NonInterleaved_InputSource"
        solver = importlib.import_module(module).NoninterleavedInputSourceArray(params)

        def multiply(G: Array, volts: Array) -> Array:
            matrix = np.ascontiguousarray(G.T) / SIEMENS
            if volts.ndim == 1:
                out = solver.iterative_solve(matrix, volts / VOLT)
                return np.asarray(out) * VOLT * SIEMENS
            out = solver.iterative_solve(matrix, volts.T / VOLT)
            return np.asarray(out).reshape(G.shape[1], len(volts)).T * VOLT * SIEMENS

        return multiply

    def noisy(self, weights: Array, sigma: float) -> Callable[[Array], Array]:
        """Return an 8-bit multiply whose cells draw read noise anew for every input."""
        assert not isinstance(self.found, Missing)  # noqa: S101
        params = self.found[0].CrossSimParameters()
        params.xbar.device.read_noise.enable = True
        params.xbar.device.read_noise.model = "NormalProportionalDevice"
        params.xbar.device.read_noise.magnitude = sigma
        params.xbar.dac.mvm.bits = params.xbar.adc.mvm.bits = 8
        core = importlib.import_module("simulator").AnalogCore(weights.T, params)
        return lambda x: np.asarray(core.matmul(x.T)).T


class Aihwkit:
    """aihwkit's C++ inference tile, 8-bit converters and weight noise at each read."""

    def __init__(self) -> None:
        how = "build 1.2.0 from source against the torch that is installed"
        self.found = found("aihwkit", "aihwkit.simulator.configs", "aihwkit", how)

    def noisy(self, n_in: int, n_out: int, kind: str) -> Any:
        """Return a layer; kind is ``PCM_READ``, which follows conductance, or a constant."""
        assert not isinstance(self.found, Missing)  # noqa: S101
        parameters = importlib.import_module("aihwkit.simulator.parameters")
        config = self.found[0].InferenceRPUConfig()
        forward = config.forward
        forward.inp_res = forward.out_res = 1 / 254
        forward.out_noise, forward.w_noise = 0.0, 0.01
        forward.w_noise_type = parameters.WeightNoiseType[kind]
        config.mapping.max_input_size = config.mapping.max_output_size = 0
        layer = importlib.import_module("aihwkit.nn").AnalogLinear
        return layer(n_in, n_out, bias=False, rpu_config=config).eval()


class Ngspice:
    """ngspice, as a process for every input."""

    def __init__(self) -> None:
        self.program = shutil.which("ngspice")
        self.missing = Missing("ngspice", "not installed (Debian: ngspice)")

    @property
    def version(self) -> str:
        """What it says that it is."""
        assert self.program is not None  # noqa: S101
        ran = subprocess.run([self.program, "--version"], capture_output=True, text=True)  # noqa: S603
        line = next(line for line in ran.stdout.splitlines() if "ngspice-" in line)
        return line.split(":")[0].strip("* ").strip()

    def sinh(self, G: Array, volts: Array, segment: Ohm, b: float) -> Array:
        """Return the bit-line currents of one input, A, cells being G sinh(b v) / b."""
        assert self.program is not None  # noqa: S101
        n, m = G.shape
        lines = ["crossbar"]
        for i in range(n):
            lines += [f"V{i} t{i} 0 {volts[i]:.17g}", f"Rt{i} t{i} w{i}_0 {segment:.17g}"]
            for j in range(m):
                law = f"{G[i, j] / b:.17g}*sinh({b}*V(w{i}_{j},b{i}_{j}))"
                lines.append(f"B{i}_{j} w{i}_{j} b{i}_{j} I={law}")
                if j:
                    lines.append(f"Rw{i}_{j} w{i}_{j - 1} w{i}_{j} {segment:.17g}")
                if i:
                    lines.append(f"Rb{i}_{j} b{i - 1}_{j} b{i}_{j} {segment:.17g}")
        for j in range(m):
            lines += [f"Rs{j} b{n - 1}_{j} s{j} {segment:.17g}", f"Vs{j} s{j} 0 0"]
        lines += [".options reltol=1e-9 abstol=1e-16 vntol=1e-13 gmin=1e-30", ".control"]
        lines += ["set numdgt=16", "op", *(f"print i(vs{j})" for j in range(m)), "quit"]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "array.cir"
            file.write_text("\n".join([*lines, ".endc", ".end", ""]))
            ran = subprocess.run([self.program, "-b", str(file)], capture_output=True, text=True)  # noqa: S603
        found = [line.split(" = ") for line in ran.stdout.splitlines() if line.startswith("i(vs")]
        values = {name: float(value) for name, value in found}
        return np.array([values[f"i(vs{j})"] for j in range(m)])
