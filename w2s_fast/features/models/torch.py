"""What models of torch share: the library, devices, memory, checksums of weights, and pooling of tokens."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np

from w2s_fast.features.borrowing import evaluating, placed
from w2s_fast.features.memory import keep_memory
from w2s_fast.features.models.base import BATCH, Array

LARGEST_BATCH = 256  # rows, on a GPU until memory runs out
IMAGE_BATCH = 16  # activations of more fall out of every cache


@contextmanager
def needed(library: str) -> Iterator[None]:
    """Say how to install a library that a model needs."""
    try:
        yield
    except ImportError as error:
        how = 'python -m pip install "w2s_fast[models]"'
        raise ImportError(f"this model needs {library}: {how} ({' '.join(str(error).split())[:200]})") from None


def library() -> Any:
    """Torch, with freed memory kept for the next batch."""
    with needed("torch"):
        import torch
    keep_memory()
    return torch


@contextmanager
def session(network: Any, device: str, channels_last: bool, taps: Taps | None) -> Iterator[None]:
    """Make a network ready for batches that run beside one another, with one of torch's threads each.

    The network and the number of threads are afterwards what they were.
    """
    torch = library()
    before = torch.get_num_threads()
    try:
        with evaluating(network), placed(network, device, channels_last), taps or nullcontext():
            yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def runs_on(
    device: str, network: Any, batch: int = BATCH, *, channels_last: bool = False, taps: Taps | None = None
) -> dict[str, Any]:
    """How batches run on a device: some on the CPU beside one another, on a GPU as much as its memory takes."""
    on_cpu = device.partition(":")[0] == "cpu"
    ready = partial(session, network, device, channels_last, taps)
    return {"session": ready, "one_at_a_time": not on_cpu, "batch": batch if on_cpu else LARGEST_BATCH}


@contextmanager
def inference(device: str) -> Iterator[Any]:
    """Run a batch without gradients, on the CPU with one thread, which each of ours must be told."""
    torch = library()
    if device == "cpu":
        torch.set_num_threads(1)
    with torch.inference_mode():
        yield torch


def picked_device(device: str | None) -> str:
    """The device that was named, or the best there is."""
    torch = library()
    if device is not None:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            said = str(error).splitlines()[0]
            raise ValueError(f"device must be one of torch's that is here, got {device!r}: {said}") from None
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def weights_sum(module: Any) -> str:
    """SHA-256 of all parameters and buffers, with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if hasattr(tensor, "detach"):
            plain = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
            digest.update(plain.reshape(-1).view(library().uint8).numpy() if plain.numel() else b"")
    return digest.hexdigest()


def versions(*names: str) -> dict[str, str]:
    """Versions of distributions."""
    return {name: metadata.version(name) for name in ("torch", *names)}


def to_numpy(tensor: Any) -> Array:
    """Return a tensor on the host, float32 for what NumPy has no type for."""
    plain = tensor.detach().cpu()
    return np.asarray((plain.float() if plain.dtype == library().bfloat16 else plain).numpy())


def pooled(states: Any, mask: Any, how: str) -> Any:
    """Make a row of each item's tokens (rows, tokens, d), of its map (rows, channels, ...), or take the rows there are.

    The mean and the last token are over what ``mask`` (rows, tokens) has, "cls" is the first such.
    """
    if states.ndim == 2:
        return states
    if states.ndim > 3:
        return states.mean(tuple(range(2, states.ndim)))
    if mask is None:
        return states.mean(1) if how == "mean" else states[:, 0 if how == "cls" else -1]
    if how == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)
    torch = library()
    places = torch.arange(mask.shape[1], device=mask.device)
    place = (mask * (places + 1)).argmax(1) if how == "last" else mask.argmax(1)
    return states[torch.arange(len(states), device=states.device), place]


class Taps:
    """What modules give out, caught as it comes by, while this is entered: each thread has its own."""

    def __init__(self, modules: Mapping[str, Any]) -> None:
        self._local = threading.local()
        self._modules = modules
        self._hooks: list[Any] = []

    def __enter__(self) -> None:
        self._hooks = [module.register_forward_hook(self._hook(name)) for name, module in self._modules.items()]

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hook(self, name: str) -> Any:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            if getattr(self._local, "found", None) is not None:
                self._local.found[name] = tensor_of(output)

        return keep

    @contextmanager
    def caught(self) -> Iterator[dict[str, Any]]:
        """Yield what is caught in this block."""
        self._local.found = {}
        try:
            yield self._local.found
        finally:
            self._local.found = None


def tensor_of(output: Any) -> Any:
    """The tensor of an output: itself, or the first of several."""
    while isinstance(output, list | tuple | dict):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


def stacked(items: list[Any], device: str) -> Any:
    """One tensor of arrays of one shape; floats as they are, in the layout that convolutions are fast in."""
    torch = library()
    batch = torch.from_numpy(np.stack([np.asarray(item) for item in items])).to(device)
    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch
