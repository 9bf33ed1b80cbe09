"""The one place where what pydwf and ctypes raise becomes an error of ours.

`DwfLibraryError` of pydwf 1.1.19 contains itself: its repr and its pickle recurse without end, so
here only its `str` is used, and nothing above ever sees it but as a cause.
"""

import ctypes

from pydwf import DwfErrorCode, DwfLibraryError, PyDwfError

from crossbar.backend import InstrumentError

_REMEDIES = {
    DwfErrorCode.ApiLockTimeout: "another program is talking to it; close WaveForms",
    DwfErrorCode.AlreadyOpened: "it is open elsewhere; close WaveForms and other programs using it",
    DwfErrorCode.NotSupported: "this libdwf or this device configuration does not offer that",
}

MISSING_LIBRARY = (
    "libdwf cannot be loaded: install Digilent's WaveForms and the Adept 2 runtime "
    "(https://digilent.com/reference/software/waveforms/waveforms-3/start), "
    "or use a virtual or simulated bench, which needs neither"
)


def translated(error: BaseException) -> BaseException:
    """Return the `InstrumentError` for what a call of pydwf raised; anything else as it is."""
    message = _explained(error)
    return error if message is None else InstrumentError(f"Analog Discovery 2: {message}")


def _explained(error: BaseException) -> str | None:
    """Return what a failed call means in words, or `None` if this is no failed call."""
    text = str(error)
    if isinstance(error, DwfLibraryError):
        remedy = _REMEDIES.get(error.code)
        return text if remedy is None else f"{text} ({remedy})"
    if isinstance(error, PyDwfError):
        if isinstance(error.__cause__, OSError):
            return f"{MISSING_LIBRARY} ({error.__cause__})"
        return text
    if isinstance(error, ctypes.ArgumentError):
        return f"an argument has the wrong type: {text}"
    # An error code or a state that pydwf's enumerations do not know.
    if isinstance(error, ValueError) and "is not a valid Dwf" in text:
        return f"libdwf returned something unknown: {text}"
    if isinstance(error, AttributeError) and "FDwf" in text:
        return f"this libdwf is too old and lacks a function: {text}"
    return None
