"""A shared object without a compiler: functions that jump through a table.

Every function is one indirect jump through its own slot of a table, which is exported too, so that
whoever loads the object can fill it with addresses. There are no relocations, no sections and no
dependencies.

References
----------
System V ABI, chapters 4 and 5 (generic), and the supplements for x86-64 and AArch64.
"""

import struct
from collections.abc import Sequence

from crossbar.backend import BenchError

TABLE = "crossbar_libdwf_table"

_PAGE = 0x10000  # the largest page of AArch64; x86-64 is content with any multiple of its own
_MACHINES = {"x86_64": 62, "AMD64": 62, "aarch64": 183, "arm64": 183}  # e_machine
_STUB = {62: 8, 183: 16}  # bytes of one trampoline
_HEADER, _PROGRAM, _SYMBOL, _SLOT = 64, 56, 24, 8  # bytes of the structures of ELF64
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551  # p_type
_READ_EXECUTE, _READ_WRITE = 5, 6  # p_flags
_HASH, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _SONAME = 4, 5, 6, 10, 11, 14  # d_tag


def machines() -> frozenset[str]:
    """Return the machines, as `platform.machine` names them, for which an object can be made."""
    return frozenset(_MACHINES)


def shared_object(names: Sequence[str], soname: str, machine: str) -> bytes:
    """Return an ELF64 shared object that exports `names` and the table behind them.

    Parameters
    ----------
    names
        Functions to export; slot k of the table `TABLE` belongs to ``names[k]``.
    soname
        The name by which ``dlopen`` finds the object once it is loaded.
    machine
        As `platform.machine` says.

    Raises
    ------
    BenchError
        If there is no trampoline for the machine.
    """
    if machine not in _MACHINES:
        raise BenchError(f"no trampolines for a {machine}, only for {', '.join(sorted(_MACHINES))}")
    kind = _MACHINES[machine]
    strings, offsets = _strings([soname, *names, TABLE])
    hashes = _hash_table([*names, TABLE])
    symbols_at = _HEADER + 4 * _PROGRAM
    hash_at = symbols_at + _SYMBOL * (len(names) + 2)
    strings_at = hash_at + len(hashes)
    text_at = -(-(strings_at + len(strings)) // 16) * 16
    dynamic_at = -(-(text_at + _STUB[kind] * len(names)) // _PAGE) * _PAGE
    dynamic = _dynamic(hash_at, strings_at, symbols_at, len(strings), offsets[0])
    table_at = dynamic_at + len(dynamic)
    symbols = _symbols(kind, offsets[1:], text_at, table_at)
    stubs = b"".join(
        _stub(kind, text_at + _STUB[kind] * k, table_at + _SLOT * k) for k in range(len(names))
    )
    end = table_at + _SLOT * len(names)
    head = _headers(kind, text_at + len(stubs), dynamic_at, len(dynamic), end)
    low = head + symbols + hashes + strings
    low += b"\0" * (text_at - len(low)) + stubs
    return low + b"\0" * (dynamic_at - len(low)) + dynamic + b"\0" * (end - table_at)


def _strings(words: Sequence[str]) -> tuple[bytes, list[int]]:
    packed, offsets = b"\0", []
    for word in words:
        offsets.append(len(packed))
        packed += word.encode() + b"\0"
    return packed + b"\0" * (-len(packed) % 8), offsets


def _elf_hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value


def _hash_table(names: Sequence[str]) -> bytes:
    # Symbol 0 is the undefined one; symbol k is names[k - 1].
    count = len(names) + 1
    buckets, chains = [0] * count, [0] * count
    for symbol, name in enumerate(names, 1):
        bucket = _elf_hash(name) % count
        chains[symbol], buckets[bucket] = buckets[bucket], symbol
    return struct.pack(f"<{2 + 2 * count}I", count, count, *buckets, *chains)


def _symbols(kind: int, names: Sequence[int], text_at: int, table_at: int) -> bytes:
    function, variable, section = 0x12, 0x11, 1  # global function, global object, any section
    packed = b"\0" * _SYMBOL
    for k, name in enumerate(names[:-1]):
        where = text_at + _STUB[kind] * k
        packed += struct.pack("<IBBHQQ", name, function, 0, section, where, _STUB[kind])
    size = _SLOT * (len(names) - 1)
    return packed + struct.pack("<IBBHQQ", names[-1], variable, 0, section, table_at, size)


def _dynamic(hashes: int, strings: int, symbols: int, size: int, soname: int) -> bytes:
    entries = (
        (_SONAME, soname),
        (_HASH, hashes),
        (_STRTAB, strings),
        (_SYMTAB, symbols),
        (_STRSZ, size),
        (_SYMENT, _SYMBOL),
        (0, 0),
    )
    return b"".join(struct.pack("<QQ", tag, value) for tag, value in entries)


def _headers(kind: int, text_end: int, dynamic_at: int, dynamic_size: int, end: int) -> bytes:
    header = b"\x7fELF" + bytes([2, 1, 1]) + b"\0" * 9  # 64 bits, little endian, version 1
    header += struct.pack(
        "<HHIQQQIHHHHHH", 3, kind, 1, 0, _HEADER, 0, 0, _HEADER, _PROGRAM, 4, 64, 0, 0
    )
    size = end - dynamic_at
    programs = (
        (_LOAD, _READ_EXECUTE, 0, text_end, _PAGE),
        (_LOAD, _READ_WRITE, dynamic_at, size, _PAGE),
        (_DYNAMIC, _READ_WRITE, dynamic_at, dynamic_size, 8),
        (_STACK, _READ_WRITE, 0, 0, 16),  # without this, the stack would become executable
    )
    return header + b"".join(
        struct.pack("<IIQQQQQQ", what, flags, at, at, at, length, length, align)
        for what, flags, at, length, align in programs
    )


def _stub(kind: int, here: int, slot: int) -> bytes:
    if kind == _MACHINES["x86_64"]:
        # jmp *slot(%rip); ud2
        return b"\xff\x25" + struct.pack("<i", slot - (here + 6)) + b"\x0f\x0b"
    pages = (slot >> 12) - (here >> 12)
    adrp = 0x90000010 | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5  # adrp x16, page of slot
    load = 0xF9400210 | (slot & 0xFFF) >> 3 << 10  # ldr x16, [x16, #slot within page]
    return struct.pack("<IIII", adrp, load, 0xD61F0200, 0xD503201F)  # br x16; nop
