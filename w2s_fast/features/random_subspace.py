"""Intrinsic dimension by training: the smallest random subspace in which a model finetunes almost as well as in full.

Li, Farkhoor, Liu and Yosinski 2018, Measuring the intrinsic dimension of objective landscapes; Aghajanyan, Gupta and
Zettlemoyer 2021, Intrinsic dimensionality explains the effectiveness of language model fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._display import Shown, spread, with_error
from w2s_fast._random import key64
from w2s_fast.features.borrowing import evaluating
from w2s_fast.features.parameters import Parameters, torch_library

SHARE = 0.9
TESTED_AT_A_TIME = 256
Tensors = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class RandomSubspaceDimension(Shown):
    """Accuracies of training in random subspaces.

    Attributes
    ----------
    dimension : int or None
        The smallest of ``dimensions`` whose mean accuracy is ``share`` of full finetuning's; None if none is.
    dimensions : (m,) ndarray
        Rising.
    accuracies : (m, repeats) ndarray
        On the test rows, one a random subspace.
    full : float
        Accuracy of full finetuning.
    before : float
        Accuracy of the model as it came.
    share : float
    """

    dimension: int | None
    dimensions: npt.NDArray[np.int64]
    accuracies: npt.NDArray[np.float64]
    full: float
    before: float
    share: float

    def told(self) -> dict[str, str]:
        repeats = self.accuracies.shape[1]
        means = self.accuracies.mean(axis=1)
        errors = self.accuracies.std(axis=1, ddof=1) / np.sqrt(repeats) if repeats > 1 else np.full(len(means), np.nan)
        grid = [
            f"{d}: {with_error(mean, error) if repeats > 1 else f'{mean:.4g}'}"
            for d, mean, error in zip(self.dimensions.tolist(), means, errors, strict=True)
        ]
        reached = "none of them" if self.dimension is None else f"{self.dimension:,}"
        return {
            "dimension": reached,
            "of": spread(self.dimensions),
            "accuracies": ", ".join(grid),
            "full finetuning": f"{self.full:.4g}",
            "before": f"{self.before:.4g}",
        }


def random_subspace_dimension(
    model: Any,
    inputs: Any,
    targets: Any,
    test_inputs: Any,
    test_targets: Any,
    *,
    dimensions: Sequence[int],
    share: float = SHARE,
    parameters: Any = None,
    scales: bool = False,
    steps: int = 500,
    batch: int = 64,
    optimizer: Callable[[list[Any]], Any] | None = None,
    repeats: int = 1,
    random_state: Any = 0,
) -> RandomSubspaceDimension:
    """Train a classifier in random subspaces theta = theta_0 + P z of rising dimension, and in full, for small models.

    P has eight nonzeros +-1/sqrt(8) a parameter (:mod:`w2s_fast.kernels.sketch`), at places that the parameter's number
    names: E PP' = I, so that a step of Adam moves each parameter about as far as in full finetuning, and one optimizer
    serves all. The model itself is left as it is; dropout is off and batch norms keep their statistics throughout.

    Parameters
    ----------
    model : torch.nn.Module
        Returns one logit a class.
    inputs, test_inputs : (n, ...) tensor
    targets, test_targets : (n,) tensor or array of whole numbers
    dimensions : sequence of int
        To try, of z. Parameters beyond it are not trained.
    share : float
        Of full finetuning's accuracy, in (0, 1].
    parameters : str or list of str, optional
        As :func:`gradient_features` takes them.
    scales : bool
        Also learn a factor for each tensor of parameters, counted among the dimensions: SAID, where without it is DID.
        Dimensions that leave nothing for z are refused.
    steps, batch : int
        Of each training.
    optimizer : callable, optional
        Makes a torch optimizer of a list of tensors; by default Adam with a rate of 0.001.
    repeats : int
        Random subspaces a dimension.
    random_state : int, RandomState, Generator, np.random or None
        Of the subspaces and of the order of rows.

    Returns
    -------
    RandomSubspaceDimension

    Examples
    --------
    >>> found = random_subspace_dimension(model, X, y, X_test, y_test, dimensions=[10, 100])  # doctest: +SKIP
    """
    torch = torch_library("random_subspace_dimension")
    _check.instance(model, torch.nn.Module, "model")
    share = _check.real(share, "share", maximum=1.0, open_left=True)
    grid = np.unique(_check.sizes(list(dimensions), "dimensions"))
    scales = _check.boolean(scales, "scales")
    steps, batch, repeats = (
        _check.integer(value, name, minimum=1)
        for value, name in ((steps, "steps"), (batch, "batch"), (repeats, "repeats"))
    )
    chosen = Parameters.of(model, parameters)
    taken = len(chosen.tensors) if scales else 0
    if grid[0] <= taken:
        raise ValueError(f"dimensions must be more than the {taken} scales of tensors, got {grid[0]}")
    keys = np.random.SeedSequence(key64(random_state)).generate_state(1 + repeats, np.uint64)
    rows = _Rows.of(torch, inputs, targets, "targets"), _Rows.of(torch, test_inputs, test_targets, "test_targets")
    training = _Training(torch, model, *rows, steps, batch, optimizer or _adam, int(keys[0] >> np.uint64(1)))
    with evaluating(model):
        before = training.accuracy(chosen.tensors)
        full = training.of_all(chosen.tensors)
        found = np.array(
            [[training.within(_Subspace.of(torch, chosen, int(d), taken, key)) for key in keys[1:]] for d in grid]
        )
    enough = np.flatnonzero(found.mean(axis=1) >= share * full)
    return RandomSubspaceDimension(int(grid[enough[0]]) if enough.size else None, grid, found, full, before, share)


def _adam(tensors: list[Any]) -> Any:
    return torch_library("random_subspace_dimension").optim.Adam(tensors, lr=1e-3)


@dataclass(frozen=True, eq=False)
class _Rows:
    inputs: Any
    targets: Any

    @classmethod
    def of(cls, torch: Any, inputs: Any, targets: Any, name: str) -> _Rows:
        inputs, targets = torch.as_tensor(inputs), torch.as_tensor(targets)
        if targets.is_floating_point() or targets.ndim != 1 or len(targets) != len(inputs) or not len(targets):
            raise ValueError(
                f"{name} must be one whole number, a class, for each of {len(inputs):,} rows, got {targets.dtype} of "
                f"shape {tuple(targets.shape)}"
            )
        return cls(inputs, targets.long())


@dataclass(frozen=True, eq=False)
class _Subspace:
    """theta = theta_0 + P z, times a factor a tensor if there are any."""

    torch: Any
    origin: Tensors
    places: Tensors
    signs: Tensors
    dimension: int
    scaled: bool

    @classmethod
    def of(cls, torch: Any, parameters: Parameters, dimension: int, taken: int, key: np.uint64) -> _Subspace:
        from w2s_fast.kernels.sketch import NONZEROS, fill_sparse_signs

        width = dimension - taken
        places, signs = {}, {}
        for name, tensor in parameters.tensors.items():
            shape = tensor.numel(), min(NONZEROS, width)
            at, sign = np.empty(shape, np.int64), np.empty(shape, np.float32)
            fill_sparse_signs(key, parameters.firsts[name], width, at, sign)
            places[name] = torch.from_numpy(at).to(tensor.device)
            signs[name] = torch.from_numpy(sign).to(tensor) / shape[1] ** 0.5
        return cls(torch, parameters.tensors, places, signs, width, taken > 0)

    def start(self) -> list[Any]:
        """Tensors to train: z at zero, factors at one."""
        like = next(iter(self.origin.values()))
        z = self.torch.zeros(self.dimension, dtype=like.dtype, device=like.device, requires_grad=True)
        if not self.scaled:
            return [z]
        return [z, self.torch.ones(len(self.origin), dtype=like.dtype, device=like.device, requires_grad=True)]

    def parameters(self, z: Any, factors: Any = None) -> Tensors:
        """Tensors of the model at z."""
        found = {}
        for i, (name, origin) in enumerate(self.origin.items()):
            moved = (z[self.places[name]] * self.signs[name]).sum(dim=1).reshape(origin.shape)
            found[name] = origin + (moved if factors is None else factors[i] * moved)
        return found


@dataclass(frozen=True, eq=False)
class _Training:
    torch: Any
    model: Any
    rows: _Rows
    test: _Rows
    steps: int
    batch: int
    optimizer: Callable[[list[Any]], Any]
    seed: int

    def of_all(self, tensors: Tensors) -> float:
        """Accuracy of full finetuning."""
        free = [tensor.clone().requires_grad_(True) for tensor in tensors.values()]
        return self._accuracy_after(free, lambda *trained: dict(zip(tensors, trained, strict=True)))

    def within(self, subspace: _Subspace) -> float:
        """Accuracy after training in a subspace."""
        return self._accuracy_after(subspace.start(), subspace.parameters)

    def accuracy(self, tensors: Tensors) -> float:
        """Share of test rows that are told right."""
        right = 0
        with self.torch.no_grad():
            for inputs, targets in zip(
                self.test.inputs.split(TESTED_AT_A_TIME), self.test.targets.split(TESTED_AT_A_TIME), strict=True
            ):
                right += int((self._logits(tensors, inputs).argmax(dim=1) == targets).sum())
        return right / len(self.test.targets)

    def _accuracy_after(self, free: list[Any], tensors_at: Callable[..., Tensors]) -> float:
        optimizer = self.optimizer(free)
        order = self.torch.Generator().manual_seed(self.seed)
        n = len(self.rows.targets)
        for _ in range(self.steps):
            some = self.torch.randint(n, (min(self.batch, n),), generator=order)
            logits = self._logits(tensors_at(*free), self.rows.inputs[some])
            loss = self.torch.nn.functional.cross_entropy(logits, self.rows.targets[some])
            if not self.torch.isfinite(loss):
                raise ValueError("the loss became NaN or infinite in training: give an optimizer with smaller steps")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return self.accuracy({name: tensor.detach() for name, tensor in tensors_at(*free).items()})

    def _logits(self, tensors: Tensors, inputs: Any) -> Any:
        found = self.torch.func.functional_call(self.model, tensors, (inputs,))
        return getattr(found, "logits", found)
