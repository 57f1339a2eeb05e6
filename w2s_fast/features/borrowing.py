"""A network of somebody else's: made ready, and given back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """Without dropout, and with the running statistics of batch norms; as it was afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def placed(network: Any, device: str, channels_last: bool = False) -> Iterator[None]:
    """On a device, in the layout that convolutions are fast in; as it was afterwards.

    Its own tensors are kept meanwhile, not moved back: what shares memory with another network still does.
    """
    parameters = [(parameter, parameter.data) for parameter in network.parameters()]
    buffers = [
        (module, name, buffer)
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False)
    ]
    try:
        network.to(device)
        if channels_last:
            import torch

            network.to(memory_format=torch.channels_last)
        yield
    finally:
        for parameter, data in parameters:
            parameter.data = data
        for module, name, buffer in buffers:
            setattr(module, name, buffer)
