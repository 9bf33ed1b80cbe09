"""The virtual libdwf as a C library: its file, its errors, and how it is put in place."""

import ctypes
import gc
import signal
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydwf import (
    DwfAnalogOutNode,
    DwfErrorCode,
    DwfLibrary,
    DwfLibraryError,
    DwfTriggerSource,
)

from crossbar.backend import BenchError
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.elf import TABLE, shared_object
from sim_backend.virtual.libdwf.mount import last_problem, mounted
from sim_backend.virtual.libdwf.signatures import prototypes
from sim_backend.virtual.signals import Signal, Stimulus
from sim_backend.virtual.world import Loopback, World
from virtual_discovery import opened

CARRIER = DwfAnalogOutNode.Carrier
NAMES = [each.name for each in prototypes()]

linux = pytest.mark.skipif(sys.platform != "linux", reason="no shared object is made elsewhere")


def symbols(image: bytes) -> tuple[dict[str, int], dict[int, int]]:
    """Return the address of every symbol and the dynamic entries, read by the book."""
    offset, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
    programs = [struct.unpack_from("<IIQQQQQQ", image, offset + 56 * k) for k in range(count)]
    dynamic = next(each for each in programs if each[0] == 2)
    entries = dict(struct.unpack_from("<QQ", image, dynamic[2] + 16 * k) for k in range(6))
    strings, table, hashes = entries[5], entries[6], entries[4]
    found = {}
    for k in range(1, struct.unpack_from("<I", image, hashes + 4)[0]):
        name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", image, table + 24 * k)
        end = image.index(b"\0", strings + name)
        found[image[strings + name : end].decode()] = value
    return found, entries


def target_x86_64(image: bytes, here: int) -> int:
    assert image[here : here + 2] == b"\xff\x25"  # jmp *rel(%rip)
    (relative,) = struct.unpack_from("<i", image, here + 2)
    return here + 6 + int(relative)


def target_aarch64(image: bytes, here: int) -> int:
    adrp, ldr, br, _ = struct.unpack_from("<IIII", image, here)
    assert adrp & 0x9F00001F == 0x90000010  # adrp x16
    assert ldr & 0xFFC003FF == 0xF9400210  # ldr x16, [x16, #n]
    assert br == 0xD61F0200  # br x16
    pages = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
    pages -= (pages & 1 << 20) << 1
    return int((here & ~0xFFF) + (pages << 12) + (ldr >> 10 & 0xFFF) * 8)


@pytest.mark.parametrize(
    ("machine", "target"), [("x86_64", target_x86_64), ("aarch64", target_aarch64)]
)
def test_every_function_jumps_through_a_slot_of_its_own(machine: str, target: Any) -> None:
    image = shared_object(NAMES, "libdwf.so", machine)
    found, entries = symbols(image)
    assert [target(image, found[name]) for name in NAMES] == [
        found[TABLE] + 8 * slot for slot in range(len(NAMES))
    ]
    end = image.index(b"\0", entries[5] + entries[14])
    assert image[entries[5] + entries[14] : end] == b"libdwf.so"


def test_no_trampolines_are_made_for_an_unknown_machine() -> None:
    with pytest.raises(BenchError, match="no trampolines for a riscv64"):
        shared_object(NAMES, "libdwf.so", "riscv64")


@linux
def test_all_478_functions_are_found_by_name() -> None:
    with opened():
        library = ctypes.CDLL("libdwf.so")
        assert len(NAMES) == 478
        assert all(hasattr(library, name) for name in NAMES)


def test_everything_that_is_emulated_is_a_function_of_libdwf() -> None:
    device = VirtualDiscovery(World(FastClock(), Loopback()))
    assert device.emulated <= set(NAMES)
    assert len(device.emulated) > 390


def test_the_version_is_the_one_that_pydwf_was_made_for() -> None:
    with opened():
        assert DwfLibrary(check_library_version=True).getVersion() == "3.20.1"


def test_no_function_crashes_on_nulls_or_fails_with_an_unknown_code() -> None:
    known = {code.value for code in DwfErrorCode}
    with opened() as device:
        library = device.lib
        last = ctypes.c_int()
        for each in prototypes():
            if "Close" in each.name or "LastError" in each.name:
                continue
            function = getattr(library, each.name)
            given = [_null(kind) for kind in function.argtypes]
            if each.of_device:
                given[0] = device.hdwf
            result = function(*given)
            library.FDwfGetLastError(last)
            assert result in (0, 1), each.name
            assert last.value in known, each.name
            assert (last.value == 0) == (result == 1), each.name


def _null(kind: Any) -> Any:
    return (
        0
        if kind in (ctypes.c_int, ctypes.c_uint, ctypes.c_ubyte, ctypes.c_double)
        else _typed(kind)
    )


def _typed(kind: Any) -> Any:
    if issubclass(kind, ctypes.Array):
        return kind()
    return 0 if issubclass(kind, ctypes.c_ulonglong | ctypes.c_bool) else None


def test_a_function_that_is_not_emulated_is_not_supported() -> None:
    with opened() as device, pytest.raises(DwfLibraryError) as caught:
        device.analogImpedance.reset()
    assert caught.value.code == DwfErrorCode.NotSupported
    assert caught.value.msg == "FDwfAnalogImpedanceReset is not emulated"


def test_too_many_samples_are_an_invalid_parameter() -> None:
    with opened() as device, pytest.raises(DwfLibraryError) as caught:
        device.analogOut.nodeDataSet(0, CARRIER, np.zeros(5000))
    assert caught.value.code == DwfErrorCode.InvalidParameter4
    assert "5000" in caught.value.msg


def test_too_many_bits_are_an_invalid_parameter() -> None:
    with opened() as device, pytest.raises(DwfLibraryError) as caught:
        device.digitalOut.dataSet(0, "1" * 1025)
    assert caught.value.code == DwfErrorCode.InvalidParameter3


def test_a_device_opens_once() -> None:
    with opened(), pytest.raises(DwfLibraryError) as caught:
        DwfLibrary().deviceControl.open(0)
    assert caught.value.code == DwfErrorCode.AlreadyOpened


def test_a_closed_device_is_an_invalid_handle() -> None:
    with opened() as device:
        library, handle = device.lib, device.hdwf
    with mounted(VirtualDiscovery(World(FastClock(), Loopback()))):
        assert library.FDwfDigitalIOStatus(handle) == 0
        with pytest.raises(DwfLibraryError) as caught:
            raise DwfLibrary().exception()
    assert caught.value.code == DwfErrorCode.InvalidParameter0


def test_types_of_arguments_are_checked() -> None:
    with opened() as device, pytest.raises(ctypes.ArgumentError):
        device.analogOut.nodeFrequencySet(0, CARRIER, "1 kHz")


def test_without_a_mounted_device_none_is_found() -> None:
    with opened():
        library = DwfLibrary()
    assert library.deviceEnum.enumerateDevices() == 0
    with pytest.raises(DwfLibraryError, match="no virtual Analog Discovery is mounted"):
        library.deviceControl.open(0)


def test_callbacks_live_on_without_anybody_holding_them() -> None:
    with opened() as device:
        gc.collect()
        device.digitalIO.status()
        assert device.digitalIO.inputStatus() == 0


class Faulty(Loopback):
    """A wiring that fails once."""

    def __init__(self, problem: BaseException) -> None:
        self.problem: BaseException | None = problem

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        if self.problem is not None:
            problem, self.problem = self.problem, None
            raise problem
        return super().respond(stimulus)


def test_an_error_of_the_emulation_fails_the_call_and_is_kept() -> None:
    with opened(Faulty(ZeroDivisionError("no current"))) as device:
        with pytest.raises(DwfLibraryError, match="ZeroDivisionError: no current") as caught:
            device.digitalIO.status()
        assert caught.value.code == DwfErrorCode.UnknownError
        assert isinstance(last_problem(), ZeroDivisionError)
        device.digitalIO.status()


def test_an_interrupt_within_a_call_reaches_its_caller() -> None:
    with opened(Faulty(KeyboardInterrupt())) as device:
        with pytest.raises(KeyboardInterrupt):
            device.digitalIO.status()
        device.digitalIO.status()


def test_an_interrupt_reaches_a_program_that_ignores_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with opened(Faulty(KeyboardInterrupt())) as device, pytest.raises(KeyboardInterrupt):
            device.digitalIO.status()
    finally:
        signal.signal(signal.SIGINT, before)


def call_for_ever(device: Any, deadline: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, deadline)
    while True:
        device.digitalIO.outputSet(1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer")
class Dying:
    """What dies while an interrupt is due, as anything may that the collector finds just then."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_that_hits_a_finalizer_reaches_the_program() -> None:
    dying = [Dying()]

    def let_die() -> None:
        dying.clear()
        sorted([2, 1], key=lambda x: -x)  # Python looks for interrupts when a function begins

    with opened(Loopback()), pytest.raises(KeyboardInterrupt):
        let_die()


def test_an_interrupt_at_any_moment_reaches_the_caller() -> None:
    moments = np.random.default_rng(1).uniform(5e-5, 5e-4, 200)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with opened() as device:
            for moment in moments:
                with pytest.raises(KeyboardInterrupt):
                    call_for_ever(device, float(moment))
            device.digitalIO.status()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _exercise(device: Any) -> tuple[Any, ...]:
    out, scope = device.analogOut, device.analogIn
    out.nodeEnableSet(0, CARRIER, True)
    out.nodeOffsetSet(0, CARRIER, 1.25)
    out.configure(0, True)
    scope.frequencySet(1e6)
    scope.bufferSizeSet(64)
    scope.triggerSourceSet(DwfTriggerSource.None_)
    scope.configure(False, True)
    state = scope.status(True)
    name = device.analogIO.channelName(0)
    return state, name, scope.channelRangeSteps(), scope.statusData(0, 64).tolist()


def test_callbacks_in_place_of_the_library_answer_alike() -> None:
    with opened() as device:
        by_library = _exercise(device)
    with opened(way="callbacks") as device:
        by_callbacks = _exercise(device)
    assert by_library == by_callbacks
    assert by_library[3] == [pytest.approx(1.25, abs=1e-3)] * 64


def test_unmounting_takes_the_callbacks_out_of_the_loader() -> None:
    with opened(way="callbacks"):
        assert "LoadLibrary" in vars(ctypes.cdll)
    assert "LoadLibrary" not in vars(ctypes.cdll)


def child(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@linux
def test_nothing_is_mounted_where_the_real_library_is_loaded() -> None:
    said = child(
        """
import platform
from crossbar.backend import BenchError
from sim_backend.virtual.libdwf import mount
from sim_backend.virtual.libdwf.elf import shared_object
other = mount._load(shared_object(["FDwfGetVersion"], "libdwf.so", platform.machine()))
try:
    mount.mount(None)
except BenchError as problem:
    print(problem)
"""
    )
    assert "the real libdwf.so is loaded in this process" in said


@linux
def test_callbacks_alone_serve_pydwf_in_a_process_without_the_library() -> None:
    said = child(
        """
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.mount import mount
from sim_backend.virtual.world import Loopback, World
mount(VirtualDiscovery(World(FastClock(), Loopback()), serial="210321ABCDEF"), "callbacks")
import pydwf
print(pydwf.DwfLibrary().deviceEnum.serialNumber(0), "libdwf.so" in open("/proc/self/maps").read())
"""
    )
    assert said.split() == ["210321ABCDEF", "False"]
