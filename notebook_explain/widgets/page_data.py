"""Data of a page: plain values and bytes in one compressed text.

The text is base64 of a gzip stream of ``length of the JSON (uint32, little endian) | JSON | bytes``. In the JSON, bytes are
``{"$bytes": [offset, length]}``; identical ones are stored once. Base64 inside the JSON would not compress.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Mapping
from typing import Any

KEY = "$bytes"


def pack(value: Any) -> str:
    """Return the text of a value of lists, dicts, strings, numbers, booleans, None and bytes.

    Raises
    ------
    ValueError
        A number is not finite.
    TypeError
        A value of another type.
    """
    buffers = _Buffers()
    header = json.dumps(buffers.refer(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    data = struct.pack("<I", len(header)) + header + buffers.data
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def unpack(text: str) -> Any:
    """Return the value that `pack` has packed."""
    data = gzip.decompress(base64.b64decode(text))
    (length,) = struct.unpack_from("<I", data)
    end = struct.calcsize("<I") + length

    def restore(value: dict[str, Any]) -> Any:
        if KEY not in value:
            return value
        offset, size = value[KEY]
        return data[end + offset : end + offset + size]

    return json.loads(data[end - length : end], object_hook=restore)


class _Buffers:
    """Bytes that values refer to, each distinct one once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._offsets: dict[bytes, int] = {}

    def refer(self, value: Any) -> Any:
        """Return a value with its bytes replaced by references."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            content = bytes(value)
            if content not in self._offsets:
                self._offsets[content] = len(self.data)
                self.data += content
            return {KEY: [self._offsets[content], len(content)]}
        if isinstance(value, (list, tuple)):
            return [self.refer(entry) for entry in value]
        if isinstance(value, Mapping):
            return {key: self.refer(entry) for key, entry in value.items()}
        return value
