"""Monte Carlo trials of the Gaussian model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s_fast import _check, _devices
from w2s_fast._types import Sizes
from w2s_fast._workers import DeadWorkersError, Lost, Workers, ordered_map, require_local
from w2s_fast.gaussian.coordinates import geometry, setting
from w2s_fast.gaussian.model import GaussianModel
from w2s_fast.gaussian.runners import (
    Device,
    DirectTrials,
    InvariantTrials,
    MixedTrials,
    Span,
    WishartTrials,
    rows_for_every_fit,
)
from w2s_fast.gaussian.setup import Setup
from w2s_fast.kernels.trials import RISKS, VARIANCE_PARTS
from w2s_fast.linalg.accumulate.moments import Moments
from w2s_fast.results.risks import Ceiling
from w2s_fast.results.summary import Estimate
from w2s_fast.results.trials import StudentVariance, Trials, VarianceParts, estimate_of

Matrix = npt.NDArray[np.float64]
Method = Literal["auto", "invariants", "wishart", "direct"]
# Trials x dimension^3 in a work item: milliseconds, so that threads stay busy and an interrupt is heard.
CHUNK_WORK = 2**27
LARGEST_CHUNK = {"invariants": 2**12, "wishart": 2**6, "direct": 2**6}
DEVICE_WORK, LARGEST_LAUNCH = 2**38, 2**18  # likewise of a launch on a device: some tenths of a second
# "auto" leaves models of more tilted angles than either to "wishart", whose time grows with d^3 but by BLAS: at d = 100
# and 20 of them both take some .15 ms, at 10 and 10 it is 16 us to 40.
FEW_TILTED, TILTED_SHARE = 12, 0.2
DIRECT_ROWS = 10**7  # rows a direct trial may draw; beyond, it would take minutes and gigabytes


def simulate(
    model: GaussianModel,
    n: Sizes,
    N: Sizes,
    *,
    trials: int,
    seed: int = 0,
    method: Method = "auto",
    ridge: float = 0.0,
    device: Device = "cpu",
    workers: Workers = None,
    progress: Callable[[int, int], None] | None = None,
    ceiling: Ceiling = "all",
    pseudo_noise_variance: float | None = None,
    teacher: npt.ArrayLike | None = None,
) -> Trials:
    """Draw trials of the four fits and return their excess risks.

    Parameters
    ----------
    model : GaussianModel
    n, N : int or array_like of int
        Labelled and pseudo-labelled rows, from 1 to 2**62; they broadcast.
    trials : int
        Independent trials at each point, at least 1.
    seed : int
        The same seed gives the same trials, bit for bit, at any number of workers. Trial t at a point (n, N) is the
        same whatever else is asked for beside it.
    method : {"auto", "invariants", "wishart", "direct"}
        ``"invariants"`` draws the few numbers that no rotation changes: exact in distribution, jointly for the four
        risks and, but for the ceiling and what is inherited on the pseudo-labelled rows, the parts of the variance. Its
        cost grows with the number of principal angles other than 0 and 90 degrees alone. It takes ridgeless fits of at
        least as many rows as features. ``"wishart"`` draws sufficient statistics, exact jointly for the four risks and
        for each part of the variance, at a cost that depends on neither n nor N. ``"direct"`` draws rows and solves; it
        is there to check against. ``"auto"`` means ``"invariants"`` at points that have the rows for it, unless there
        are many tilted angles, and else ``"wishart"``.
    ridge : float
        Added to every fit, in squared units of the features as given, as scikit-learn's ``Ridge(alpha)``; 0 for the
        ridgeless, minimum-norm fits of the theory.
    device : {"cpu", "cuda"}
        ``"cuda"`` runs ``method="invariants"`` on the current NVIDIA GPU (needs the extra ``cuda13``): the trials of
        the CPU to rounding, and the same bits whenever they are run again there.
    workers : int or pool, optional
        Threads; by default one a core. Or a client of Dask (the extra ``dask``), or whatever has ``submit`` as
        :mod:`concurrent.futures` has it, such as ``ProcessPoolExecutor`` and the pools of loky and mpi4py: trials are
        the same. A GPU is fed by this process.
    progress : callable, optional
        Called with (trials done, trials in all) as they come in.
    ceiling : {"all", "pseudo"}
        Whether the ceiling is fitted on all n + N rows, as in the paper, or on the N rows alone, as in much of the
        field. The latter is drawn by every method, by ``"wishart"`` where ``method`` is ``"auto"``.
    pseudo_noise_variance : float, optional
        Variance of the noise of the N rows' true labels, which the ceiling alone sees; by default the model's.
    teacher : (r,) array_like, optional
        Latent weights of a teacher that is given and not fitted, as :func:`expected_risks` has it. This and
        ``pseudo_noise_variance`` run by ``"wishart"`` and ``"direct"``.

    Returns
    -------
    Trials
        With the student's variance measured beside the risks: see ``Trials.variance``.

    Raises
    ------
    ValueError, TypeError
        Sample sizes or trials below 1, an unknown method, more than 10 million rows for ``"direct"``, ridge or too
        few rows for ``"invariants"``.
    RuntimeError
        What ``device="cuda"`` misses on this machine, in one line; trials of which the workers of a cluster died, when
        all others are done; workers of different versions or BLAS kernels.
    ConnectionError
        The scheduler of a cluster is gone.

    Examples
    --------
    >>> from w2s_fast import GaussianModel, expected_risks, simulate
    >>> model = GaussianModel.paper(d_weak=20, d_strong=10, d_shared=2, d_target=30)
    >>> result = simulate(model, n=200, N=10**9, trials=400)
    >>> mean, stderr = result.summary()["w2s"]
    >>> bool(abs(mean - expected_risks(model, 200, 10**9).w2s) < 4 * stderr)
    True
    """
    _check.instance(model, GaussianModel, "model")
    _check.callback(progress, "progress")
    labelled, pseudo = _check.broadcast(n=_check.sizes(n, "n"), N=_check.sizes(N, "N"))
    trials = _check.integer(trials, "trials", minimum=1)
    seed = _check.integer(seed, "seed")
    workers = _check.workers(workers)
    _check.choice(method, "method", "auto", "invariants", "wishart", "direct")
    _check.choice(device, "device", _devices.CPU, *_devices.TRIALS)
    ridge = _check.real(ridge, "ridge")
    setup = Setup.of(model, ceiling, pseudo_noise_variance, teacher)
    spans = [Span(n, N, 0, trials) for n, N in zip(labelled.ravel().tolist(), pseudo.ravel().tolist(), strict=True)]
    risks = np.empty((len(spans), trials, 4))
    parts = [Moments() for _ in spans]
    how: dict[str, Any] = {"seed": seed, "method": method, "ridge": ridge, "device": device, "workers": workers}
    how["setup"] = setup
    for point, start, block in run_spans(model, spans, **how):
        risks[point, start : start + len(block)] = block[:, RISKS]
        parts[point].merge(Moments.of_few(block[:, VARIANCE_PARTS]))
        if progress is not None:
            progress(point * trials + start + len(block), len(spans) * trials)
    weak, baseline, strong, w2s = np.moveaxis(risks.reshape(*labelled.shape, trials, 4), -1, 0).copy()
    variance = _student_variance(parts, labelled.shape)
    return Trials(labelled.copy(), pseudo.copy(), weak, baseline, strong, w2s, seed, variance)


def run_spans(
    model: GaussianModel,
    spans: Sequence[Span],
    *,
    seed: int,
    method: Method = "auto",
    ridge: float = 0.0,
    device: Device = "cpu",
    workers: Workers = None,
    setup: Setup | None = None,
) -> Iterator[tuple[int, int, Matrix]]:
    """Run spans in order, a chunk of trials at a time; yield (index of the span, first trial, values).

    Values are (trials, 8), as :mod:`w2s_fast.kernels.trials` names them. A trial is the same in whatever span it is
    run.
    """
    setup = setup or Setup()
    model = setup.taught(model)
    require_local(workers, device)
    require_device(method, device)
    require_method(model, spans, method, ridge, device)
    if not setup.is_papers:
        method = method_otherwise(model, setup, method, device)
    methods = [method_at(model, span.n, span.N, method=method, ridge=ridge) for span in spans]
    if device != _devices.CPU and set(methods) != {"invariants"}:
        raise ValueError(f'device={device!r} runs method="invariants" alone: ask for it, since "auto" is not that here')
    run_span = _runner(model, spans, methods, seed, ridge, device, setup)
    steps = {name: _step(model, name, device) for name in set(methods)}
    chunks = [
        (index, span._replace(start=start, stop=min(start + steps[name], span.stop)))
        for index, (span, name) in enumerate(zip(spans, methods, strict=True))
        for start in range(span.start, span.stop, steps[name])
    ]
    floors, died = [model.rho_weak, *(model.rho_strong,) * 3], dict[tuple[int, int], str]()
    sent: deque[tuple[int, Span]] = deque()

    def can_be_whole(chunk: Span) -> bool:
        return (chunk.n, chunk.N) not in died

    def left() -> Iterator[Span]:
        for index, chunk in chunks:
            if can_be_whole(chunk):
                sent.append((index, chunk))
                yield chunk

    blocks = ordered_map(run_span, left(), workers if device == _devices.CPU else 1, can_be_whole)
    try:
        for block in blocks:
            index, chunk = sent.popleft()
            if not can_be_whole(chunk):
                continue
            if isinstance(block, Lost):
                died[chunk.n, chunk.N] = f"{_said(chunk)}: {block.reason}"
            else:
                values = block.copy()  # a pool may keep its own, and hand it out again
                values[:, RISKS] += floors
                yield index, chunk.start, values
    finally:
        blocks.close()  # else the traceback of an interrupt would keep it, and BLAS on one thread
    if died:
        raise DeadWorkersError("; ".join(died.values()))


def method_otherwise(model: GaussianModel, setup: Setup, method: Method, device: Device = "cpu") -> Method:
    """The method for trials that depart from the paper's, which some do not run.

    The ceiling apart was drawn by ``"wishart"`` first, so ``"auto"`` goes on to mean that where it can.
    """
    if device != _devices.CPU:
        raise ValueError(f"device={device!r} draws the paper's trials alone, with the ceiling on all rows: use the CPU")
    if not setup.has_ceiling_alone:
        if method == "invariants":
            raise ValueError(
                'method="invariants" takes fitted teachers and one noise_variance: use method="wishart" for a given '
                "teacher, and for pseudo_noise_variance"
            )
        return "wishart" if method == "auto" else method
    return "wishart" if method == "auto" and model.blocks is None else method


def _said(span: Span) -> str:
    return f"trials {span.start:,} to {span.stop - 1:,} at n = {span.n:,} and N = {span.N:,}"


def method_at(model: GaussianModel, n: int, N: int, *, method: Method = "auto", ridge: float = 0.0) -> Method:
    """The method that ``"auto"`` stands for at a point, on any device; any other stands for itself."""
    if method != "auto":
        return method
    few_tilted = len(geometry(model).cos) <= max(FEW_TILTED, TILTED_SHARE * model.d_strong)
    wanted = few_tilted or model.blocks is not None  # without maps there is no other
    return "invariants" if wanted and _has_rows(model, n, N, ridge) else "wishart"


def _step(model: GaussianModel, method: Method, device: Device) -> int:
    """Trials that are run at a time."""
    size = len(geometry(model).cos) if method == "invariants" else max(model.d_weak, model.d_strong)
    on_cpu = device == _devices.CPU
    most = max((CHUNK_WORK if on_cpu else DEVICE_WORK) // max(size, 1) ** 3, 1)
    return min(most, LARGEST_CHUNK[method] if on_cpu else LARGEST_LAUNCH)


def _runner(
    model: GaussianModel,
    spans: Sequence[Span],
    methods: Sequence[Method],
    seed: int,
    ridge: float,
    device: Device,
    setup: Setup,
) -> Callable[[Span], Matrix]:
    """What returns the values of a span's trials, a row each, by the method that the span is to have."""
    if "direct" in methods:
        return DirectTrials(model, seed, ridge, setup)
    invariants = None
    if "invariants" in methods:
        invariants = InvariantTrials(seed, device, setting(geometry(model)), setup.has_ceiling_alone)
    left = [span for span, name in zip(spans, methods, strict=True) if name == "wishart"]
    wishart = WishartTrials.of(model, left, seed, ridge, setup) if left else None
    if invariants is None or wishart is None:
        return invariants or wishart  # type: ignore[return-value]  # one of them is there
    return MixedTrials(model.d_weak, model.d_strong, invariants, wishart)


def require_device(method: Method, device: Device) -> None:
    """Refuse a device that does not run the method, or that is not there."""
    if device != _devices.CPU:
        if method not in ("auto", "invariants"):
            raise ValueError(f'device={device!r} runs method="invariants" alone, got method={method!r}')
        _devices.trial_runner(device)


def require_method(
    model: GaussianModel, spans: Sequence[Span], method: Method, ridge: float, device: Device = "cpu"
) -> None:
    """Refuse what a method cannot run."""
    if method == "direct" and max(span.n + span.N for span in spans) > DIRECT_ROWS:
        raise ValueError(f'method="direct" draws every row, at most {DIRECT_ROWS:,} of them; use method="wishart"')
    fewest_n, fewest_N = min(span.n for span in spans), min(span.N for span in spans)
    wanted = method == "invariants" or device != _devices.CPU
    if wanted and not _has_rows(model, fewest_n, fewest_N, ridge):
        raise ValueError(
            f'method="invariants" takes ridge = 0, n >= {max(model.d_weak, model.d_strong):,} and N >= '
            f"{model.d_strong:,}, as many rows as features or more; got ridge = {ridge:g}, n = {fewest_n:,}, "
            f'N = {fewest_N:,}: use method="wishart" on the CPU'
        )


def _has_rows(model: GaussianModel, n: int, N: int, ridge: float) -> bool:
    """Whether every fit is ridgeless and has a row for each feature."""
    return ridge == 0 and rows_for_every_fit(n, N, model.d_weak, model.d_strong)


def _student_variance(parts: list[Moments], shape: tuple[int, ...]) -> StudentVariance:
    means, stderrs = (
        np.moveaxis(np.array(a).reshape(*shape, 4), -1, 0) for a in zip(*map(estimate_of, parts), strict=True)
    )
    inherited, reduced, inherited_new, reduced_new = map(Estimate, means, stderrs)
    return StudentVariance(VarianceParts(inherited, reduced), VarianceParts(inherited_new, reduced_new))
