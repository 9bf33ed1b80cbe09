"""How a function of libdwf fails: with one of ten codes and a message."""

UNKNOWN = 1
ALREADY_OPENED = 3
NOT_SUPPORTED = 4
INVALID_PARAMETER_0 = 0x10
_LAST_PARAMETER = 4  # dwf.h knows dwfercInvalidParameter0 to 4


class Failure(Exception):
    """A call that fails; the dispatcher turns it into 0 and a code, as libdwf does.

    Parameters
    ----------
    code
        Of ``DWFERC``; never another, because pydwf's enumeration does not know others.
    message
        What ``FDwfGetLastErrorMsg`` tells.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(parameter: int, message: str) -> Failure:
    """Return the failure of an argument, counted from 0 as in the C prototype."""
    return Failure(INVALID_PARAMETER_0 + min(parameter, _LAST_PARAMETER), message)


def unsupported(name: str) -> Failure:
    """Return the failure of a function that is not emulated."""
    return Failure(NOT_SUPPORTED, f"{name} is not emulated")
