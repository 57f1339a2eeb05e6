"""Arrow's own format, as a file or as a stream: batches of rows, each behind a header that is a flatbuffer.

pyarrow counts the rows of a stream by reading all of it. The headers alone tell as much.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import unpack_from
from typing import IO, Any

MAGIC = b"ARROW1\0\0"  # of files; streams begin with their first message
MARK = 0xFFFFFFFF  # before every message
RECORD_BATCH = 3  # in the table of kinds of messages
LONGEST = 1 << 28  # bytes of a header


def opened(arrow: Any, file: IO[bytes], columns: list[int] | None) -> Any:
    """Open a file or stream by its first bytes, for all columns or some."""
    is_file = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    options = arrow.ipc.IpcReadOptions(use_threads=False, **({} if columns is None else {"included_fields": columns}))
    return (arrow.ipc.open_file if is_file else arrow.ipc.open_stream)(file, options=options)


def batches(reader: Any) -> Iterator[Any]:
    """Batches, one after the other. Their lengths and places are those of a stranger until they are validated."""
    numbers = range(reader.num_record_batches) if hasattr(reader, "get_batch") else None
    for batch in reader if numbers is None else map(reader.get_batch, numbers):
        batch.validate(full=True)
        yield batch


def count_rows(file: IO[bytes]) -> int:
    """Add up the rows that the headers of batches say, without reading these."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    place = len(MAGIC) if file.read(len(MAGIC)) == MAGIC else 0
    rows = 0
    while place + 8 <= size:
        file.seek(place)
        mark, length = unpack_from("<II", file.read(8))
        if mark != MARK:
            raise ValueError("it is no file or stream of Arrow 0.15 or later")
        if length == 0:
            break
        if length > min(LONGEST, size - place):
            raise ValueError(f"a header of it has {length:,} bytes: was it written to the end?")
        count, body = _message(file.read(length))
        rows += count
        place += 8 + length + body
    if place > size:
        raise ValueError("it ends early: was it written to the end?")
    return rows


def _message(header: bytes) -> tuple[int, int]:
    """Rows of a message, 0 where it is no batch, and the bytes of its body."""
    root = unpack_from("<I", header)[0]
    kind, batch, body = (_field(header, root, slot) for slot in (1, 2, 3))
    count = 0
    if kind and batch and header[kind] == RECORD_BATCH:
        length = _field(header, batch + unpack_from("<I", header, batch)[0], 0)
        count = unpack_from("<q", header, length)[0] if length else 0
    bytes_after = unpack_from("<q", header, body)[0] if body else 0
    if count < 0 or bytes_after < 0:
        raise ValueError("a header of it says that it has fewer than no rows or bytes")
    return count, bytes_after


def _field(header: bytes, table: int, slot: int) -> int:
    """Where a field of a flatbuffer's table lies; 0 where it is left out."""
    slots = table - unpack_from("<i", header, table)[0]
    offset = 4 + 2 * slot
    if offset + 2 > unpack_from("<H", header, slots)[0]:
        return 0
    found = unpack_from("<H", header, slots + offset)[0]
    return table + found if found else 0
