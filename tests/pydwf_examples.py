"""Run pydwf's example scripts, as they are shipped, on a virtual Analog Discovery 2.

Called with an empty folder; prints a line of JSON for each script: how it ended, what it printed
last, and how often it called which function of libdwf.
"""

import contextlib
import io
import json
import os
import runpy
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from typing import Any

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.libdwf.signatures import Prototype
from sim_backend.virtual.world import Loopback, World

# What a script calls in its loop, and how often it has to until it is interrupted.
ENDLESS = {
    "AnalogIO.py": ("FDwfAnalogIOStatus", 10),
    "AnalogInSimple.py": ("FDwfAnalogInStatusSample", 10),
    "AnalogInRecordMode.py": ("FDwfAnalogInConfigure", 4),
    "AnalogInRecordMode.py -x": ("FDwfAnalogInConfigure", 4),
    "AnalogInShiftScanShiftScreenDemo.py -m ScanShift": ("FDwfAnalogInStatus", 10),
    "AnalogOutSimple.py": ("FDwfAnalogOutNodeAmplitudeSet", 1000),
    "AnalogOutShowFunctionSymmetry.py": ("FDwfDeviceTriggerPC", 20),
    "AnalogOutAmplitudeModulationDemo.py": ("FDwfDeviceTriggerPC", 20),
    "AnalogOutContinuousPlay.py": ("FDwfAnalogOutNodePlayData", 10),
    "DigitalDiscoveryLedBrightnessParameter.py": ("FDwfDeviceParamSet", 1000),
    "ProtocolSPI.py": ("FDwfDigitalSpiWriteRead", 100),
    "ProtocolUART.py": ("FDwfDigitalUartRx", 100),
    "ProtocolCAN.py": ("FDwfDigitalCanRx", 100),
}
# What a script calls, and how often at least, until it returns.
ENDING = {
    "AnalogOutShowChannelAndNodeInfo.py": ("FDwfAnalogOutNodeDataInfo", 6),
    "AnalogOutPlayFunction.py": ("FDwfAnalogOutMasterSet", 1),
    "DigitalIO.py": ("FDwfDigitalIOOutputSet64", 100),
    "DigitalOutShowStatusDuringPulsePlayback.py": ("FDwfDigitalOutRunStatus", 100),
    "ProtocolI2C.py": ("FDwfDigitalI2cWriteRead", 1),
}
# These fail on their own account, with pydwf 1.1.19 and matplotlib 3.9 or later.
FAULTY = {
    "AnalogInShiftScanShiftScreenDemo.py": "x must be a sequence",
    "AnalogOutPlayCustomWaveform.py": "missing 2 required positional arguments",
}


class Counting(VirtualDiscovery):
    """Counts the calls, and interrupts when one function was called often enough."""

    def __init__(self, world: World, function: str, enough: int) -> None:
        super().__init__(world)
        self.counts: Counter[str] = Counter()
        self._function, self._enough = function, enough

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        self.counts[prototype.name] += 1
        if prototype.name == self._function and self.counts[prototype.name] == self._enough:
            signal.raise_signal(signal.SIGINT)
        super().call(prototype, arguments)


def run(script: str) -> dict[str, Any]:
    """Run a script until it ends or was interrupted; tell how it ended, and what it called."""
    world = World(FastClock(1e-3), Loopback())
    device = Counting(world, *ENDLESS.get(script, ("", 0)))
    # Scripts sleep, some for a minute: that passes on the bench, not here.
    time.sleep = lambda duration: world.clock.sleep(float(duration))
    time.perf_counter = lambda: world.clock.now
    sys.argv = script.split()
    sys.stdin = io.StringIO("\n")
    printed = io.StringIO()
    ended = "returned"
    with contextlib.redirect_stdout(printed), mounted(device):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except KeyboardInterrupt:
            ended = "interrupted"
        except BaseException:
            ended = traceback.format_exc()
    text = printed.getvalue()
    if "Keyboard interrupt" in text:
        ended = "interrupted"
    return {
        "script": script,
        "ended": ended,
        "refused": "PyDwfError" in text,
        "tail": text[-300:],
        "counts": device.counts,
    }


def main() -> None:
    """Take the scripts out of pydwf into a folder and run them one after the other."""
    os.chdir(sys.argv[1])
    sys.argv = ["pydwf", "extract-examples"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        runpy.run_module("pydwf", run_name="__main__")
    os.chdir("pydwf-examples")
    sys.path.insert(0, ".")
    warnings.simplefilter("ignore")
    for script in (*ENDLESS, *ENDING, *FAULTY):
        print(json.dumps(run(script)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
