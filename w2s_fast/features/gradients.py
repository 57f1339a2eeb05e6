"""Gradient features: what linearised finetuning sees of an example, in k columns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2s_fast import _arrays, _check, _devices
from w2s_fast._arrays import Home
from w2s_fast._check import FloatArray
from w2s_fast.features.batches import is_out_of_memory
from w2s_fast.features.borrowing import evaluating
from w2s_fast.features.parameters import Parameters, torch_library
from w2s_fast.features.per_example import Gradients, PerExample, mapped
from w2s_fast.features.sketching import Sketch, SketchedRows

WORKING_BYTES = 2**29  # of gradients at a time
TIMES_HELD = 3  # a gradient, and what it is worked out from
MOST_ROWS = 64  # gradients at a time: more bring no speed
COLUMNS = 4_096


def gradient_features(
    model: Any,
    inputs: Any,
    *,
    k: int | None = COLUMNS,
    of: str | Callable[[Any, Any], Any] = "logits",
    targets: Any = None,
    parameters: Any = None,
    batch: int | None = None,
    random_state: Any = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Sketch the gradient of a model's logits, or of its loss, at every example: features of linearised finetuning.

    Near its parameters theta_0 a model is f(x) + <grad f(x), theta - theta_0>: to finetune it a little is to fit a
    linear model of these gradients. They are sketched as they come, to k columns whose inner products are those of the
    gradients in expectation (:mod:`w2s_fast.features.sketching` has the variance); never are more of them held than a
    batch's. Dropout is off and batch norms use their running statistics meanwhile.

    Parameters
    ----------
    model : torch.nn.Module
        Returns a tensor, or something with ``logits``, for a batch of any length.
    inputs : (n, ...) tensor or array, or a tuple or mapping of them
        One row an example; a tuple has the model's arguments, a mapping its named ones.
    k : int or None
        Columns of the sketch. None for the gradients themselves, all (n, p) of them.
    of : {"logits", "loss"} or callable
        What is differentiated. A callable is a loss of (outputs, targets) of a batch of one example. "loss" is the
        cross entropy of whole-numbered targets, and the mean squared error of others.
    targets : (n, ...) tensor or array, optional
        What the loss takes.
    parameters : str or list of str, optional
        Names, or patterns of names such as "head.*" or "*.lora_?.*"; by default all that are not frozen. A coordinate
        keeps its place among all parameters: the sketch of all is the sum of the sketches of its parts.
    batch : int, optional
        Examples at a time; by default as many as gradients fit in half a gigabyte. Fewer where memory runs out.
    random_state : int, RandomState, Generator, np.random or None, or a list of them
        The same one makes the same map, for any rows, batch, choice of parameters and device: to compare rows of two
        calls, give both the same. A list makes a sketch for each from one pass over the gradients, which take most of
        the time.
    progress : callable, optional
        Called with (examples done, examples).

    Returns
    -------
    (n, k) array, or (n, outputs, k) of several logits
        In the library and on the device of ``inputs``; float64 of such parameters, else float32. A list of them for a
        list of random states.

    Raises
    ------
    ValueError
        No parameter of that name, frozen parameters, a gradient that is NaN or infinite (which row, which parameter).
    ImportError
        Without PyTorch, which the extra ``models`` brings.
    MemoryError
        Not even one gradient fits.

    Warns
    -----
    RuntimeWarning
        If torch.func.vmap does not take the model, whose gradients are then taken one by one, or if memory runs out.

    References
    ----------
    Jacot, Gabriel and Hongler 2018, Neural tangent kernel; Park et al. 2023, TRAK: attributing model behavior at scale.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> model = torch.nn.Linear(3, 1)  # doctest: +SKIP
    >>> gradient_features(model, torch.randn(5, 3), k=64).shape  # doctest: +SKIP
    torch.Size([5, 64])
    """
    torch = torch_library("gradient_features")
    _check.instance(model, torch.nn.Module, "model")
    _check.callback(progress, "progress")
    several_states = isinstance(random_state, list | tuple)
    states = random_state if several_states else [random_state]
    sketches = None if k is None else [Sketch.of(k, state) for state in states]
    if several_states and not sketches:
        raise ValueError("random_state must be one or a list of some, for a number k of columns: k=None has no sketch")
    chosen = Parameters.of(model, parameters)
    tensors, n = _tensors(inputs, next(iter(chosen.tensors.values())).device)
    loss, wanted = _loss(of, targets, n, torch, tensors)
    batch = None if batch is None else _check.integer(batch, "batch", minimum=1)
    with evaluating(model):
        differentiated = PerExample(model, chosen, tensors, wanted, loss)
        features = _Features(differentiated, chosen, sketches).of_all(n, batch, progress)
    if loss is not None or differentiated.outputs == 1:
        features = features[:, 0]
    home = Home.of(_first(inputs))
    if not several_states:
        return home.give(features)
    return [home.give(np.ascontiguousarray(part)) for part in np.split(features, len(states), axis=-1)]


def _first(inputs: Any) -> Any:
    return (
        next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs[0] if type(inputs) is tuple else inputs
    )


def _tensors(inputs: Any, device: Any) -> tuple[Any, int]:
    """Inputs as tensors where the model is, and the number of examples."""
    inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
    tensors = mapped(inputs, lambda value: _tensor(value, "inputs", device))
    whole = (
        list(tensors.values()) if isinstance(tensors, dict) else list(tensors) if type(tensors) is tuple else [tensors]
    )
    if not whole or any(tensor.ndim == 0 for tensor in whole):
        raise ValueError("inputs must have one row an example")
    lengths = {len(tensor) for tensor in whole}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"inputs must have rows, as many in each, got {sorted(lengths)}")
    return tensors, lengths.pop()


def _tensor(value: Any, name: str, device: Any) -> Any:
    torch = torch_library("gradient_features")
    return (value if torch.is_tensor(value) else torch.as_tensor(_check.numbers(value, name))).detach().to(device)


def _loss(of: Any, targets: Any, n: int, torch: Any, tensors: Any) -> tuple[Any, Any]:
    """The loss, None for logits, and the targets as a tensor."""
    if not callable(of):
        _check.choice(of, "of", "logits", "loss")
    if of == "logits":
        if targets is not None:
            raise ValueError("targets are for a loss: give of='loss' with them")
        return None, None
    if targets is None:
        raise ValueError("targets must be given for a loss, one an example")
    wanted = _tensor(targets, "targets", _first(tensors).device)
    if wanted.ndim == 0 or len(wanted) != n:
        raise ValueError(f"targets must have one row for each of {n:,} examples, got shape {tuple(wanted.shape)}")
    return (of if callable(of) else _usual_loss(torch, wanted)), wanted


def _usual_loss(torch: Any, targets: Any) -> Callable[[Any, Any], Any]:
    functional = torch.nn.functional
    if targets.is_floating_point():
        return lambda outputs, target: functional.mse_loss(outputs.reshape(-1), target.reshape(-1).to(outputs.dtype))

    def cross_entropy(outputs: Any, target: Any) -> Any:
        if outputs.shape[-1] == 1:
            raise ValueError(
                "the cross entropy of whole-numbered targets needs one logit a class, model has one: give targets as "
                "floats for the squared error, or a callable for of"
            )
        return functional.cross_entropy(outputs, target.long())

    return cross_entropy


@dataclass(frozen=True, eq=False)
class _Features:
    """Gradients on their way to features."""

    differentiated: PerExample
    parameters: Parameters
    sketches: list[Sketch] | None

    def of_all(self, n: int, batch: int | None, progress: Callable[[int, int], None] | None) -> FloatArray:
        """(n, outputs, k), with the columns of all sketches side by side."""
        outputs = self.differentiated.outputs
        width = self.parameters.size if self.sketches is None else sum(sketch.width for sketch in self.sketches)
        features = np.empty((n, outputs, width), self._dtype)
        examples, most = self._at_a_time(batch)
        done = 0
        while done < n:
            rows = slice(done, min(done + examples, n))
            try:
                for some in _cuts(outputs, most):
                    features[rows, some] = self._of_some(rows, some)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                examples, most = _fewer(rows.stop - rows.start, most, error)
                continue
            done = rows.stop
            if progress is not None:
                progress(done, n)
        return features

    @property
    def _dtype(self) -> Any:
        wide = any(tensor.element_size() == 8 for tensor in self.parameters.tensors.values())
        return np.float64 if wide else np.float32

    def _at_a_time(self, batch: int | None) -> tuple[int, int]:
        """Examples, and outputs of each."""
        bytes_of_one = TIMES_HELD * self.parameters.size * np.dtype(self._dtype).itemsize
        rows = max(1, WORKING_BYTES // max(bytes_of_one, 1))
        most = min(self.differentiated.outputs, rows if batch is None else max(1, rows // batch))
        return batch or max(1, min(rows, MOST_ROWS) // most), most

    def _of_some(self, examples: slice, outputs: slice) -> FloatArray:
        gradients = self.differentiated.gradients(examples, outputs)
        shape = examples.stop - examples.start, outputs.stop - outputs.start
        blocks = {name: self._block(gradient, *shape) for name, gradient in gradients.items()}
        if self.sketches is None:
            found = np.concatenate([_on_host(blocks[name]) for name in self.parameters.tensors], axis=1)
        else:
            found = np.concatenate([self._sketched(sketch, blocks) for sketch in self.sketches], axis=1)
        if not np.isfinite(found).all():
            self._refuse_not_finite(gradients, examples.start, outputs.start)
        return found.reshape(*shape, -1)

    def _sketched(self, sketch: Sketch, blocks: dict[str, Any]) -> FloatArray:
        some = next(iter(blocks.values()))
        sketched = (_devices.twin("SketchedRows", some) or SketchedRows)(sketch, len(some), self._dtype)
        for name, first in self.parameters.firsts.items():
            sketched.add(blocks[name], first)
        return _on_host(sketched.columns())

    def _block(self, gradient: Any, examples: int, outputs: int) -> Any:
        """(examples x outputs, coordinates) in C's order: NumPy's on the CPU, torch's on a GPU of NVIDIA's."""
        torch = torch_library("gradient_features")
        dtype = torch.float64 if self._dtype is np.float64 else torch.float32
        block = gradient.detach().reshape(examples * outputs, -1).to(dtype).contiguous()
        return block if block.is_cuda else block.cpu().numpy()

    def _refuse_not_finite(self, gradients: Gradients, first_example: int, first_output: int) -> None:
        for name, gradient in gradients.items():
            bad = ~gradient.flatten(2).isfinite().all(dim=2)
            if bad.any():
                row, output = (int(i) for i in bad.nonzero()[0])
                which = f", output {first_output + output}" if self.differentiated.outputs > 1 else ""
                raise ValueError(
                    f"the gradient by {name!r} is NaN or infinite at row {first_example + row}{which}: mend that row "
                    "of inputs, or leave the parameter out of parameters"
                )
        raise ValueError(
            f"gradients from row {first_example} on are finite, but their sums overflow: scale the model's outputs down"
        )


def _on_host(array: Any) -> FloatArray:
    return (
        array
        if isinstance(array, np.ndarray)
        else np.asarray(_arrays.as_numpy(array.get() if hasattr(array, "get") else array.cpu()))
    )


def _cuts(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def _fewer(examples: int, outputs: int, error: BaseException) -> tuple[int, int]:
    """Half as many examples, or outputs where there is one example."""
    if examples == 1 and outputs == 1:
        reason = str(error).split("\n")[0]
        raise MemoryError(
            f"not even one gradient fits in memory ({reason}): give fewer parameters, such as parameters='head.*'"
        ) from None
    halved = (max(1, examples // 2), outputs) if examples > 1 else (1, max(1, outputs // 2))
    warnings.warn(
        f"out of memory with {examples:,} examples of {outputs:,} outputs at a time: going on with {halved[0]:,} of "
        f"{halved[1]:,}",
        RuntimeWarning,
        stacklevel=4,
    )
    return halved
