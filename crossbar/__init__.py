"""A memristor crossbar and what is done with one: program, read, multiply, run networks."""

from crossbar.bench import BENCHES, Bench, load, open_bench
from crossbar.crossbar import Crossbar
from crossbar.network import Layer, Network
from crossbar.offload import HardwareNetwork, offload
from crossbar.results import Conductances, Product, ProgramReport
from crossbar.session import Session, session

__all__ = [
    "BENCHES",
    "Bench",
    "Conductances",
    "Crossbar",
    "HardwareNetwork",
    "Layer",
    "Network",
    "Product",
    "ProgramReport",
    "Session",
    "load",
    "offload",
    "open_bench",
    "session",
]
