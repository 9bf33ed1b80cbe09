"""PerovskiteMemSim: what a measured device does to a network.

`DeviceProfile` holds what was measured and needs no torch; `crossbar.memsim.perturb` puts a torch
module on such a device, `crossbar.memsim.levels` does so many times over, `crossbar.memsim.many`
on many examples.
"""

from crossbar.memsim.profile import DeviceProfile

__all__ = ["DeviceProfile"]
