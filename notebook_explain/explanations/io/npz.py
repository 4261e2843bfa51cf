"""Read the arrays of an untrusted .npz file.

Every size that the file states is checked against the bytes that it holds before memory is allocated; only arrays of plain
numbers are read.
"""

from __future__ import annotations

import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = tuple(np.dtype(kind) for kind in ("<u1", "<f2", "<f4", "<f8", "<i8"))
MAX_ENTRIES = 12_000  # the largest visualization has 10,401
_END = struct.Struct("<4s4H2LH")  # the last 22 bytes of an archive without a comment
_ZIP64 = b"PK\x06\x07"


class RefusedError(Exception):
    """The file is refused; the message completes "it cannot be loaded: ..."."""


def read_arrays(path: Path, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive by name.

    Parameters
    ----------
    path : path to an .npz file
    max_bytes : int
        Limit of the total unpacked size.

    Raises
    ------
    RefusedError, zipfile.BadZipFile, zlib.error, ValueError, and others that a damaged archive provokes
    """
    _check_directory(path, max_bytes)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > max_bytes:
            raise RefusedError(
                f"it unpacks to {total:,} bytes, above the limit of {max_bytes:,} (pass a larger max_bytes)"
            )
        if len({entry.filename for entry in entries}) < len(entries):
            raise RefusedError("it holds two arrays of the same name")
        return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}


def _check_directory(path: Path, max_bytes: int) -> None:
    """Check the archive's end record before zipfile reads the list of entries, which may claim to have a billion."""
    size = path.stat().st_size
    if size > max_bytes + 2**20:
        raise RefusedError(f"it has {size:,} bytes, above the limit of {max_bytes:,} (pass a larger max_bytes)")
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - 20))
        tail = file.read()
    if len(tail) < _END.size:
        raise RefusedError("it is damaged or not a file that save() wrote (too short)")
    mark, _, _, _, count, length, _, comment = _END.unpack(tail[-_END.size :])
    # NumPy writes no comment and, below four gigabytes, no zip64 directory.
    if mark != b"PK\x05\x06" or comment or tail.startswith(_ZIP64):
        raise RefusedError("it is damaged or not a file that save() wrote (no end of archive)")
    if count > MAX_ENTRIES or length > MAX_ENTRIES * 512:
        raise RefusedError(f"it lists {count:,} arrays, more than any explanation has")


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    name = entry.filename[:60]
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError(f"{name!r} is compressed with a method that save() does not use")
    opened: Any = archive.open(entry)
    with opened as file:
        shape, fortran, kind = _header(file, name)
        if kind not in KINDS:
            raise RefusedError(f"{name!r} is not an array of plain numbers ({kind})")
        size = math.prod(shape) * kind.itemsize
        if size != entry.file_size - file.tell():
            raise RefusedError(f"{name!r} states the shape {shape} but holds a different number of bytes")
        data = bytearray(size)
        rest = memoryview(data)
        while rest and (count := file.readinto(rest)):
            rest = rest[count:]
        if rest or file.read(1):
            raise RefusedError(f"{name!r} has the wrong length")
    return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _header(file: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and dtype from the header of a NumPy array."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise RefusedError(f"{name!r} has version {version} of the NumPy format, which is not supported")
    shape, fortran, kind = readers[version](file)
    if not all(isinstance(length, int) and 0 <= length < 2**40 for length in shape) or len(shape) > 8:
        raise RefusedError(f"{name!r} states an impossible shape")
    return shape, fortran, kind
