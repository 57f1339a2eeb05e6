"""From a model and data to a file of features, chunk by chunk."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from w2s_fast import _check
from w2s_fast._display import Shown
from w2s_fast._machine import versions
from w2s_fast._threads import default_workers
from w2s_fast.features import formats, items
from w2s_fast.features.batches import Batches, Notify
from w2s_fast.features.items import Items
from w2s_fast.features.memory import keep_memory
from w2s_fast.features.models import registry
from w2s_fast.features.models.base import Array, Layer, Loaded, Reading
from w2s_fast.features.store import Store, chunk_rows, manifest_of, require_same
from w2s_fast.linalg.files.matrix import ANY, MatrixFile

DTYPES = ("float16", "float32")
LABELS = "labels"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, repr=False)
class Extraction(Shown):
    """A file of features.

    Attributes
    ----------
    path : path
        Of the file, or of the group in a .zarr folder.
    manifest : dict
        What made it: model, weights, tokenizer, data, versions; shape and checksum of each array.
    """

    path: Path
    manifest: dict[str, Any]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all arrays, by name."""
        return {name: tuple(one["shape"]) for name, one in self.manifest["arrays"].items()}

    def where(self, name: str, index: str = "") -> str:
        """Path of an array, as readers of features take it: ``features.zarr#hidden[:,3]``."""
        if name not in self.shapes:
            raise ValueError(f"name must be one of {', '.join(map(repr, self.shapes))}, got {name!r}")
        file, *inside = split_group(self.path)
        entry = "/".join([*inside, name])
        return f"{file}#{entry}{index}" if file.suffix != ".npy" else f"{file}{'#' * bool(index)}{index}"

    def array(self, name: str, index: str = "") -> Array:
        """All of an array, in memory."""
        return MatrixFile.open(self.where(name, index), "name", ANY).array()

    def told(self) -> dict[str, str]:
        """Say where features are, of what, and of which shapes."""
        shapes = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return {"in": str(self.path), "of": str(self.manifest["model"]["name"]), "arrays": shapes}


def extract(
    model: Any,
    data: Any,
    *,
    out: str | os.PathLike[str],
    column: str | None = None,
    labels: str | None = None,
    split: str | None = None,
    layers: Layer | Sequence[Layer] | None = None,
    pooling: str | None = None,
    logits: bool = False,
    max_tokens: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
    batch: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    notify: Notify | None = None,
) -> Extraction:
    """Make features of each row of data by a model, into a file that probes read; go on where an earlier run stopped.

    Rows keep their order. The file grows by chunks: after a kill or Ctrl-C the same call goes on behind the last whole
    one and ends with the same numbers, whatever the number of threads.

    Parameters
    ----------
    model : str, path, module or function
        A folder or name of transformers or sentence-transformers; ``timm:NAME``, a folder that timm saved;
        ``torchvision:NAME`` or ``torchvision:NAME@FILE``; a module of torch, or a pair of a network of transformers
        and its tokenizer; a function from a list of items to an array, or to several by name.
    data : sequence, array, path or data set
        Texts, images, arrays, or where such are: see :func:`w2s_fast.features.items.read`.
    out : path
        A folder ``.zarr`` or a group in one, such as ``features.zarr/bert``; or a file ``.npy``, ``.npz`` or
        ``.safetensors``, with its manifest in ``OUT.json``.
    column, labels : str, optional
        Of tables: what features are made of, and what becomes the array "labels", words as 0, 1, ...
    split : str, optional
        Of a data set that has several.
    layers : None, "all", int, str, or a sequence of them
        None for what the model has at its end, in the array "features". Else hidden states, in "hidden": of one layer
        (rows, d), of several (rows, layers, d), or an array a layer where they are not as wide. 0 is what goes into
        the first block of a transformer, -1 the last layer.
    pooling : "mean", "cls" or "last", optional
        How tokens become a row: the mean over those that are no padding, the first, or the last.
    logits : bool
        What the model's head gives instead, in "logits".
    max_tokens : int, optional
        Longer texts are cut; by default to what the model takes.
    dtype : "float32" or "float16"
        Of the file.
    device : str, optional
        Of torch; by default a GPU where there is one.
    batch : int, optional
        Rows at a time, fewer when memory runs out.
    workers : int, optional
        Threads, each with a batch of its own; on a GPU one.
    overwrite : bool
        Begin anew what was made of other data or by another model.
    progress : callable, optional
        Called with the numbers of rows that are done, and of all.
    notify : callable, optional
        Called with a line when something is done in another way than asked; a warning by default.

    Raises
    ------
    ImportError
        A library is missing; the message says how to install it.
    ValueError
        NaN or infinity among the features, by row and layer; no such model, column or layer; an ``out`` that holds
        features of other data, or by another model.
    MemoryError
        A single row does not fit.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from w2s_fast.features import extract
    >>> def sizes(texts):
    ...     return np.array([[len(text), text.count(" ")] for text in texts])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = extract(sizes, ["a", "bc d", "efg"], out=f"{folder}/X.npy")
    ...     made.array("features")
    array([[1., 0.],
           [4., 1.],
           [3., 0.]], dtype=float32)
    """
    _check.choice(dtype, "dtype", *DTYPES)
    _check.boolean(logits, "logits")
    _check.boolean(overwrite, "overwrite")
    _check.callback(progress, "progress")
    for name, value in (("batch", batch), ("workers", workers)):
        if value is not None:
            _check.integer(value, name, minimum=1)
    place = require_out(out)
    found = data if isinstance(data, Items) else items.read(data, column, labels, split)
    chosen = tuple(layers) if isinstance(layers, Iterable) and not isinstance(layers, str) else layers
    reading = Reading(chosen, pooling, logits, max_tokens, device)
    notify = notify or warnings.warn
    loaded = registry.load(model, reading, found.kind, notify)
    return run(loaded, found, place, reading.told(), dtype, batch, workers, overwrite, progress, notify)


def run(
    model: Loaded,
    data: Items,
    out: Path,
    how: dict[str, Any],
    dtype: str,
    batch: int | None,
    workers: int | None,
    overwrite: bool,
    progress: Progress | None,
    notify: Notify,
) -> Extraction:
    """Make features of items by a model that is ready."""
    about = {
        "rows": len(data),
        "data": data.checksum(),
        "model": dict(model.about),
        "reading": {**how, "dtype": dtype},
        "chunk": chunk_rows(len(data)),
        "batch": batch,
    }
    folder = formats.work_folder(out)
    before = _manifest(out)
    if overwrite:
        remove(out)
    elif before is not None:
        require_same(before, json.loads(json.dumps(about)), out)
        return Extraction(out, before)
    elif out.exists() and (out.suffix in formats.WRITERS or (folder / "zarr.json").exists()):
        raise FileExistsError(f"out={str(out)!r} exists and is none of ours: name a new file, or pass overwrite=True")
    store = Store.begin(folder, about)
    try:
        fill(store, model, data, dtype, workers, progress, notify)
    except FileNotFoundError:  # another process makes the same, and has cleared the chunks away at its end
        if (before := _manifest(out)) is None:
            raise
        return Extraction(out, before)
    made = versions() | dict(model.versions)
    manifest = store.about | {"batch_at_end": store.batch, "versions": made, "arrays": store.arrays()}
    manifest |= {"data_name": data.name, "ids": data.ids, "classes": list(data.classes)}
    formats.finish(store, out, manifest)
    return Extraction(out, manifest)


def fill(
    store: Store,
    model: Loaded,
    data: Items,
    dtype: str,
    workers: int | None,
    progress: Progress | None,
    notify: Notify,
) -> None:
    """Make all chunks that are not in a store, a line of ``notify`` for what is done in another way than asked."""
    keep_memory()  # before the first thread, whose heap would stay
    workers = 1 if model.one_at_a_time else workers or default_workers()
    batches = Batches(model, store.batch or store.about["batch"], workers, notify)
    if progress is not None:
        progress(store.done, store.rows)
    with model.session():
        while store.done < store.rows:
            start = store.done
            found = batches.run(data.at(start, start + store.chunk), _advance(progress, start, store.rows))
            features = {name: kept(values, dtype, name, start) for name, values in found.items()}
            if data.labels is not None:
                features[LABELS] = data.labels[start : start + store.chunk]
            store.add(features, batches.size)


def _advance(progress: Progress | None, start: int, rows: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(start + done, rows)


def kept(values: Array, dtype: str, name: str, start: int) -> Array:
    """Values in the type of the file; ValueError that names the first NaN or infinity by its row and layer."""
    with np.errstate(over="ignore"):
        found = np.asarray(values, dtype)
    bad = ~np.isfinite(found)
    if not bad.any():
        return found
    row, *inside = (int(place) for place in np.argwhere(bad)[0])
    layer = f"layer {inside[0]}" if found.ndim > 2 else repr(name)
    value = np.asarray(values)[(row, *inside)]
    if np.isfinite(value):
        raise ValueError(f"row {start + row:,}, {layer}: {value:.4g} is beyond {dtype}: extract with dtype='float32'")
    raise ValueError(
        f"row {start + row:,}, {layer}: the model makes {value}; look at that row of data, or at the model"
    )


def require_out(out: str | os.PathLike[str]) -> Path:
    """Refuse what is no name of a file that features can be in."""
    path = Path(out)
    group = split_group(path)
    if group[0].suffix not in formats.SUFFIXES or (len(group) > 1 and group[0].suffix != formats.ZARR):
        raise ValueError(f"out must be a file of type {', '.join(formats.SUFFIXES)}, got {str(path)!r}")
    if not group[0].parent.is_dir():
        raise FileNotFoundError(f"out: the folder {str(group[0].parent)!r} does not exist")
    return path


def split_group(path: Path) -> tuple[Any, ...]:
    """Split a path into that of a .zarr folder and the names of the group in it."""
    for depth, above in enumerate((path, *path.parents)):
        if above.suffix == formats.ZARR:
            return above, *path.parts[len(path.parts) - depth :]
    return (path,)


def remove(out: Path) -> None:
    """Take away what was made before, whole or not."""
    if out.suffix in formats.WRITERS:
        out.unlink(missing_ok=True)
        formats.manifest_path(out).unlink(missing_ok=True)
    shutil.rmtree(formats.work_folder(out), ignore_errors=True)


def _manifest(out: Path) -> dict[str, Any] | None:
    if out.suffix not in formats.WRITERS:
        return manifest_of(out)
    try:
        found = json.loads(formats.manifest_path(out).read_bytes())
    except (OSError, ValueError):
        return None
    return found if out.exists() and isinstance(found, dict) else None
