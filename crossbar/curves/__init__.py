"""Measured curves: what a device did, from a bench of ours or from a laboratory's files."""

from crossbar.curves.measured import Curve, Measurements, Origin, PulseTable, Readings

__all__ = ["Curve", "Measurements", "Origin", "PulseTable", "Readings"]
