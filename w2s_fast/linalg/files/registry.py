"""Formats by the ends of file names: a new one is a module beside this one, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from w2s_fast.linalg.files import npy, npz, safetensors
from w2s_fast.linalg.files.header import Chunked, Header

Reader = Callable[[Path, str], Header | Chunked]  # of a file, and the name of an array in it or ""
READERS: dict[str, Reader] = {
    ".npy": npy.read,
    ".npz": npz.read,
    ".safetensors": safetensors.read,
}
