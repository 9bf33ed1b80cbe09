"""A virtual Analog Discovery 2 behind the C functions of libdwf.

Whatever speaks to the instrument through ``libdwf.so`` (pydwf, dwfpy, C) finds this one instead:
`mount` puts a `VirtualDiscovery` where the library would be, and nothing above the C functions
knows the difference. Behaviour is transcribed from the manual of the software development kit and
from pydwf's documentation; where neither says, the line says ``# assumed``.
"""
