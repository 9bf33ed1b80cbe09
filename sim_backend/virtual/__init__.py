"""Instruments that do not exist, wired to the simulated array.

They answer where real ones do: at the C functions of libdwf, at SCPI messages, at bytes on a serial
line. Nothing here knows the drivers, and the wiring comes from tables of its own, so that a mistake
in a driver or in a bench file cannot be shared.
"""
