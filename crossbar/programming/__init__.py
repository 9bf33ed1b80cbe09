"""Write-verify: bringing cells to target conductances, and the policies that choose the pulses."""

from collections.abc import Mapping
from types import MappingProxyType

from crossbar.programming.coarse_fine import CoarseFine, CoarseFineSettings
from crossbar.programming.fixed import Fixed, FixedSettings
from crossbar.programming.ispp import Ispp, IsppSettings
from crossbar.programming.log_step import LogStep, LogStepSettings
from crossbar.programming.model import Model, ModelSettings
from crossbar.programming.one_shot import OneShot, OneShotSettings
from crossbar.programming.pi import Pi, PiSettings
from crossbar.programming.policy import Policy, Pulses, check_pulses
from crossbar.programming.report import CellReport, Status
from crossbar.programming.secant import Secant, SecantSettings
from crossbar.programming.width import Width, WidthSettings
from crossbar.programming.write_verify import WriteVerify, write_verify

POLICIES: Mapping[str, type[Pulses]] = MappingProxyType(
    {
        "fixed": FixedSettings,
        "ispp": IsppSettings,
        "width": WidthSettings,
        "coarse-fine": CoarseFineSettings,
        "log-step": LogStepSettings,
        "pi": PiSettings,
        "secant": SecantSettings,
        "model": ModelSettings,
        "one-shot": OneShotSettings,
    }
)
"""Every policy by its name in a bench file: the settings, from which the policy is made."""

__all__ = [
    "POLICIES",
    "CellReport",
    "CoarseFine",
    "CoarseFineSettings",
    "Fixed",
    "FixedSettings",
    "Ispp",
    "IsppSettings",
    "LogStep",
    "LogStepSettings",
    "Model",
    "ModelSettings",
    "OneShot",
    "OneShotSettings",
    "Pi",
    "PiSettings",
    "Policy",
    "Pulses",
    "Secant",
    "SecantSettings",
    "Status",
    "Width",
    "WidthSettings",
    "WriteVerify",
    "check_pulses",
    "write_verify",
]
