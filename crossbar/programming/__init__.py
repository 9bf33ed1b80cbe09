"""Write-verify: bringing cells to target conductances, and the policies that choose the pulses."""

from collections.abc import Mapping
from types import MappingProxyType

from crossbar.programming.ispp import Ispp, IsppSettings
from crossbar.programming.policy import Policy, Pulses, check_pulses
from crossbar.programming.report import CellReport, Status
from crossbar.programming.secant import Secant, SecantSettings
from crossbar.programming.write_verify import WriteVerify, write_verify

POLICIES: Mapping[str, type[Pulses]] = MappingProxyType(
    {"ispp": IsppSettings, "secant": SecantSettings}
)
"""Every policy by its name in a bench file: the settings, from which the policy is made."""

__all__ = [
    "POLICIES",
    "CellReport",
    "Ispp",
    "IsppSettings",
    "Policy",
    "Pulses",
    "Secant",
    "SecantSettings",
    "Status",
    "WriteVerify",
    "check_pulses",
    "write_verify",
]
