"""Gradients of a model's outputs or loss, one an example, by torch.func or one by one."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from w2s_fast.features.batches import is_out_of_memory
from w2s_fast.features.parameters import Parameters, torch_library

REASON = 160  # characters of torch's reason that are told
Gradients = dict[str, Any]  # a tensor (examples, outputs, *shape) a parameter


class PerExample:
    """A model as a function of the parameters chosen, for one example at a time.

    Parameters
    ----------
    model : torch.nn.Module
    parameters : Parameters
    inputs : tensor, or a tuple or mapping of tensors, one row an example
    targets : tensor, optional
    loss : callable, optional
        Of (outputs, targets) of one example, each with a leading axis of length 1; without, outputs are differentiated.
    """

    def __init__(self, model: Any, parameters: Parameters, inputs: Any, targets: Any, loss: Any) -> None:
        self._torch = torch_library("gradient_features")
        importlib.import_module("torch.nn.attention")
        self._model, self._tensors = model, parameters.tensors
        self._inputs, self._targets, self._loss = inputs, targets, loss
        self._vectorised = True
        with self._torch.no_grad():
            self.outputs = int(self._function(self._tensors, *self._rows(0)).numel())

    def gradients(self, examples: slice, outputs: slice) -> Gradients:
        """Of some outputs of some examples; all of the model's outputs, or its loss, are ``self.outputs``."""
        if self._vectorised:
            try:
                return self._by_vmap(examples, outputs)
            except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
                if is_out_of_memory(error):
                    raise
                self._vectorised = False
                reason = " ".join(str(error).split())[:REASON]
                warnings.warn(
                    f"torch.func.vmap does not take this model ({reason}): gradients are taken one by one",
                    RuntimeWarning,
                    stacklevel=4,
                )
        return self._one_by_one(examples, outputs)

    def _rows(self, which: int | slice) -> tuple[Any, Any]:
        targets = None if self._targets is None else self._targets[which]
        return mapped(self._inputs, lambda tensor: tensor[which]), targets

    def _function(self, tensors: Gradients, example: Any, target: Any) -> Any:
        """Outputs or loss of one example, as a vector."""
        batch = mapped(example, lambda tensor: tensor.unsqueeze(0))
        arguments: tuple[Any, ...] = (
            () if isinstance(batch, Mapping) else batch if isinstance(batch, tuple) else (batch,)
        )
        named = dict(batch) if isinstance(batch, Mapping) else {}
        found = self._tensor_of(self._torch.func.functional_call(self._model, tensors, arguments, named))
        if self._loss is not None:
            found = self._loss(found, target.unsqueeze(0))
        return found.reshape(-1)

    def _tensor_of(self, found: Any) -> Any:
        if not self._torch.is_tensor(found):
            logits = found.get("logits") if isinstance(found, Mapping) else getattr(found, "logits", None)
            if not self._torch.is_tensor(logits):
                raise TypeError(
                    f"model must return a tensor or something with logits, got {type(found).__name__}: wrap it in a "
                    "module that picks one"
                )
            found = logits
        return found

    def _by_vmap(self, examples: slice, outputs: slice) -> Gradients:
        func, (inputs, targets) = self._torch.func, self._rows(examples)

        def some(tensors: Gradients, example: Any, target: Any) -> Any:
            return self._function(tensors, example, target)[outputs]

        def of_one(tensors: Gradients, example: Any, target: Any) -> Any:
            return some(tensors, example, target)[0]

        one = outputs.stop - outputs.start == 1
        differentiated = func.grad(of_one) if one else func.jacrev(some)
        axes = (None, 0, None if targets is None else 0)
        # Of the kernels for attention vmap knows this one; the others go row by row.
        attention = self._torch.nn.attention
        with self._torch.no_grad(), attention.sdpa_kernel(attention.SDPBackend.MATH):
            found = func.vmap(differentiated, in_dims=axes)(self._tensors, inputs, targets)
        return {name: tensor.unsqueeze(1) for name, tensor in found.items()} if one else found

    def _one_by_one(self, examples: slice, outputs: slice) -> Gradients:
        torch = self._torch
        tensors = {name: tensor.detach().requires_grad_(True) for name, tensor in self._tensors.items()}
        found: dict[str, list[Any]] = {name: [] for name in tensors}
        with torch.enable_grad():
            for row in range(examples.start, examples.stop):
                values = self._function(tensors, *self._rows(row))[outputs]
                for i in range(len(values)):
                    more = i + 1 < len(values)
                    gradients = torch.autograd.grad(
                        values[i], list(tensors.values()), retain_graph=more, allow_unused=True
                    )
                    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
                        found[name].append(torch.zeros_like(tensor) if gradient is None else gradient)
        shape = examples.stop - examples.start, outputs.stop - outputs.start
        stacked = {name: rows[0] if len(rows) == 1 else torch.stack(rows) for name, rows in found.items()}
        return {name: rows.detach().reshape(*shape, *tensors[name].shape) for name, rows in stacked.items()}


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to a tensor, or to each of a tuple or mapping of tensors."""
    if isinstance(value, Mapping):
        return {name: function(tensor) for name, tensor in value.items()}
    return tuple(map(function, value)) if isinstance(value, tuple) else function(value)
