"""Weak-to-strong studies on real features: linear probes in place of the Gaussian model.

``data`` holds the rows, ``design`` what all trials share, ``trial``, ``fits`` and ``estimators`` the fits of one trial,
``trial_results`` what becomes of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Required, TypeAlias, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from w2s_fast import _check
from w2s_fast._types import ArrayLike, Features, Sizes
from w2s_fast._workers import DeadWorkersError, Lost, Workers, ordered_map
from w2s_fast.probing.data import names_models
from w2s_fast.probing.design import Design, Pair, most
from w2s_fast.probing.given import Predictions
from w2s_fast.probing.options import PseudoLabels
from w2s_fast.probing.splits import Indices
from w2s_fast.probing.task import Task
from w2s_fast.probing.trial import NestedFits
from w2s_fast.probing.trial_results import Collected, TrialResult, joined
from w2s_fast.results.risks import Ceiling
from w2s_fast.results.trials import Trials

Teacher: TypeAlias = Features | Predictions
Teachers: TypeAlias = Teacher | Mapping[str, Teacher]
Models: TypeAlias = Features | Mapping[str, Features]
Ridges: TypeAlias = float | Sequence[float] | npt.NDArray[np.floating[Any]]  # one, or those to choose from
Labels: TypeAlias = ArrayLike | os.PathLike[str]
Rows: TypeAlias = (
    ArrayLike | os.PathLike[str] | tuple[Teacher | Mapping[str, Teacher], Models, Labels]
)  # which of them, or rows of their own


class Options(TypedDict, total=False):
    """What :func:`probe` is to do."""

    n: Sizes | None
    N: Sizes | None
    trials: Required[int]
    test: Rows | float
    labelled: ArrayLike | os.PathLike[str] | None
    pseudo_labelled: Rows | None
    fit: str | tuple[str, str]
    ridge: Ridges | tuple[Ridges, Ridges]
    choose: Literal["leave-one-out", "held-out"]
    pseudo_labels: PseudoLabels
    confident: float
    rounds: int
    intercept: bool
    nested: bool
    label_noise: float
    flips: float
    noise_once: bool
    noise_on_test: bool
    decompose: bool
    metrics: str | Sequence[str]
    ceiling: Ceiling
    seed: int
    workers: Workers
    progress: Callable[[int, int], None] | None


@overload
def probe(weak: Mapping[str, Teacher], strong: Models, y: Labels, **how: Unpack[Options]) -> dict[Pair, Trials]: ...


@overload
def probe(weak: Teacher, strong: Mapping[str, Features], y: Labels, **how: Unpack[Options]) -> dict[Pair, Trials]: ...


@overload
def probe(weak: Teacher, strong: Features, y: Labels, **how: Unpack[Options]) -> Trials: ...


def probe(
    weak: Any,
    strong: Any,
    y: Any,
    *,
    n: Any = None,
    N: Any = None,
    trials: int,
    test: Any = 0.2,
    labelled: Any = None,
    pseudo_labelled: Any = None,
    fit: str | tuple[str, str] = "ridge",
    ridge: Ridges | tuple[Ridges, Ridges] = 1e-6,
    choose: Literal["leave-one-out", "held-out"] = "leave-one-out",
    pseudo_labels: PseudoLabels = "soft",
    confident: float = 1.0,
    rounds: int = 1,
    intercept: bool = False,
    nested: bool = True,
    label_noise: float = 0.0,
    flips: float = 0.0,
    noise_once: bool = False,
    noise_on_test: bool = False,
    decompose: bool = False,
    metrics: str | Sequence[str] = (),
    ceiling: Ceiling = "all",
    seed: int = 0,
    workers: Workers = None,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Run the four fits on random subsets of real features; return their test mean squared errors.

    A trial shuffles the rows outside the test set: the first n rows of the first max(n) are labelled, the first N of
    those that follow are pseudo-labelled by the teacher. Subsets are nested within a trial, so that one pass over the
    rows serves every point: fits come from running sums of x x' and x y. Fits to fewer rows than columns, and those
    whose sums are too ill-conditioned, are solved from their rows instead.

    Parameters
    ----------
    weak, strong : (rows, d_weak) and (rows, d_strong) array_like, or path, or mapping of names to either
        Features of the teacher and of the student, or of several: every teacher is paired with every student. Arrays
        and memory maps stay where they are, in their own precision; a path names a file of any type in
        docs/reference/file_formats.md, or, as text, ``file#array`` where it holds several, ``file#array[:,12]`` for a
        part of it, and ``file#array[:,*]`` for a model of each layer. Files that need no decoding (.npy, .safetensors
        and .pt on this machine, but bfloat16 and truth values) are read where rows are asked for, and may be larger
        than memory; they must not change meanwhile. A teacher may be given by :class:`Predictions` instead: weak labels
        of rows.
    y : (rows,) or (rows, k) array_like, or path
        Labels. Columns are problems of their own, with errors of their own, that share all work on the features. Names
        of two classes become -1 and +1 in alphabetical order, of more a column each with 1 in its own. So do whole
        numbers other than -1 and +1, or 0 and 1, where options need classes.
    n, N : int or array_like of int, optional
        Labelled and pseudo-labelled rows; they broadcast. Where rows are set apart by ``labelled`` or
        ``pseudo_labelled``, all of these by default.
    trials : int
        Random splits, at least 1.
    test : float, int, (rows,) array_like, or (weak, strong, y)
        Test rows, the same in every trial: a share of the rows, how many, which (their numbers from 0, a mask, or a
        file of either), or arrays and files of their own.
    labelled, pseudo_labelled : (rows,) array_like, optional
        Rows set apart, by their numbers or a mask, or a file of either: a trial then draws n of the former and N of the
        latter; of what is left out, from the rows that nothing else has. Rows to be pseudo-labelled may come as (weak,
        strong, y) of their own, too; their labels serve the ceiling alone.
    fit : str, or pair of str
        Kind of fit, of all, or (the teacher's, the student's): baseline and ceiling are of the student's.
        ``"ridge"`` is linear regression; docs/reference/fits.md has the others, and what each option here means.
    ridge : float or list of float, or pair of either
        Absolute, as scikit-learn's ``Ridge(alpha)``; 0 for ridgeless, minimum-norm fits. From a list or an array every
        fit chooses one. A tuple of two is (the teacher's, the student's).
    choose : {"leave-one-out", "held-out"}
        How it does: by squared errors of leaving each of its rows out, of ridge regression alone, or on a fifth of
        its rows, held out meanwhile.
    pseudo_labels : {"soft", "hard", "sign"}
        What the student is given: what the teacher predicts, as it is, or the class that it predicts. ``"sign"`` is
        hard, of labels -1 and +1.
    confident : float
        Share of the N rows that the student learns from: those of which its teacher is surest.
    rounds : int
        The student of a round labels the same rows for a student of the next; the last one is tested.
    intercept : bool
        Give every fit an unpenalised intercept, by centring features and labels on its own training rows. Without,
        centre the labels first.
    nested : bool
        False draws the rows of every point anew, which makes points of a trial independent, and costs a pass each.
    label_noise : float
        Standard deviation of Gaussian noise added to the training labels, drawn anew in every trial; test labels
        stay clean.
    flips : float
        Noise of classes instead: the share of labels that become another class, each other one as likely.
    noise_once, noise_on_test : bool
        Noise is drawn once for a seed, not in every trial; test labels are noisy, too.
    decompose : bool
        Also measure bias and variance: see ``Trials.decomposition``.
    metrics : str or sequence of str
        What else to measure on the test rows, with PGR and OPR of it: ``"accuracy"``, ``"balanced_accuracy"``,
        ``"auroc"``, ``"mse"``, ``"brier"``, ``"log_loss"``, ``"ece"``, ``"agreement"`` with the teacher, ``"misfit"``;
        docs/explanation/metrics.md defines them. See ``Trials.scores``. Columns of several classes are then one target,
        whose errors are Brier scores, all columns added up, and results have no axis of k.
    ceiling : {"all", "pseudo"}
        Whether the ceiling is fitted to the n + N rows of the paper, or to the N pseudo-labelled ones alone, as in
        much of the field; with their true labels either way.
    seed : int
        The same seed gives the same splits, noise and results at any number of workers.
    workers : int or pool, optional
        Threads; by default one a core. Each holds a Gram matrix of the student for every n, a few more, and some
        blocks of 16 MB of rows. Or a client of Dask or a pool of processes, as in :func:`simulate`. Features in memory
        are sent to the former once, to the latter with every second of work; of files the path alone is.
    progress : callable, optional
        Called with (trials done, trials) after each.

    Returns
    -------
    Trials, or dict of (teacher, student) to Trials where ``weak`` or ``strong`` is a mapping or stands for layers
        Fits whose weights hang on rounding, and students of teachers that do, are marked in ``ill_conditioned``; for
        labels all +1 or -1, or 1 or 0, there is ``accuracy``. With y of shape (rows, k) errors have an axis of k before
        that of trials.

    Raises
    ------
    ValueError, TypeError
        Rows that do not match, NaN or infinity, constant features or labels, more rows asked for than there are,
        files that cannot be read or hold pickled objects.

    Examples
    --------
    >>> import numpy as np
    >>> from w2s_fast import probe
    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((3000, 12))
    >>> y = z[:, 0] + rng.standard_normal(3000)
    >>> result = probe(z[:, :10], z[:, [0, 10, 11]], y, n=50, N=[100, 2000], trials=5)
    >>> result.w2s.shape, bool(result.pgr[1].mean() > 0.5)
    ((2, 5), True)
    >>> signs = probe(z[:, :10], z[:, [0, 10, 11]], np.sign(y), n=50, N=2000, trials=5, metrics="auroc")
    >>> signs.scores["auroc"].w2s.shape, bool(signs.scores["auroc"].pgr.mean() > 0.5)
    ((5,), True)
    >>> pairs = probe({"ten": z[:, :10], "four": z[:, :4]}, z[:, [0, 10, 11]], y, n=50, N=100, trials=5)
    >>> sorted(pairs)
    [('four', 'strong'), ('ten', 'strong')]
    """
    task = Task.of(
        weak,
        strong,
        y,
        test,
        ridge,
        fit=fit,
        choose=choose,
        pseudo_labels=pseudo_labels,
        confident=confident,
        rounds=rounds,
        intercept=intercept,
        nested=nested,
        label_noise=label_noise,
        flips=flips,
        noise_once=noise_once,
        noise_on_test=noise_on_test,
        labelled=labelled,
        pseudo_labelled=pseudo_labelled,
        metrics=metrics,
        ceiling=ceiling,
    )
    design = Design.of(task, n, N, seed, decompose)
    found = run_design(design, trials, workers=workers, progress=progress)
    is_named = names_models(weak) or names_models(strong)
    return found if is_named or ("weak", "strong") not in found else found["weak", "strong"]


def probe_task(task: Task, *, n: Any, N: Any, trials: int, seed: int = 0, workers: Workers = None) -> Trials:
    """:func:`probe` on a task already checked, of one teacher and one student."""
    (result,) = run_design(Design.of(task, n, N, seed), trials, workers=workers).values()
    return result


def run_design(
    design: Design,
    trials: int,
    *,
    workers: Workers = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Pair, Trials]:
    """:func:`probe` on a design, for every pair of a teacher and a student."""
    _check.callback(progress, "progress")
    trials = _check.integer(trials, "trials", minimum=1)
    found = {pair: Collected(design, trials) for pair in design.pairs}
    for trial, results in run_trials(design, range(trials), workers=_check.workers(workers)):
        for pair, result in results.items():
            found[pair].add(trial, result)
        if progress is not None:
            progress(trial + 1, trials)
    return {pair: collected.trials() for pair, collected in found.items()}


def run_trials(
    design: Design, trials: Sequence[int], *, workers: Workers = None
) -> Iterator[tuple[int, dict[Pair, TrialResult]]]:
    """Run the given trials of all points together; yield (trial, result of each pair) in order."""
    drawn = ProbeTrials(design).rows_drawn
    beyond = design.beyond_room()
    if beyond is None:
        at_hand = design.with_rows_at_hand(rows for trial in trials for rows in drawn(trial))
        found = ordered_map(ProbeTrials(at_hand), trials, workers)
    else:  # a trial is a pass over the rows where these are: one at a time
        from w2s_fast.probing.trial_of_sums import TrialsOfSums

        found = ordered_map(TrialsOfSums(design, beyond), trials, 1)
    try:
        for result in found:
            if isinstance(result, Lost):
                raise DeadWorkersError(f"trial {result.item:,}: {result.reason}")
            yield result
    finally:
        found.close()


@dataclass(frozen=True, eq=False)
class ProbeTrials:
    """What workers run: trials of all points of a design together."""

    design: Design

    def __call__(self, trial: int) -> tuple[int, dict[Pair, TrialResult]]:
        design = self.design
        labels = design.labels_of(trial)
        parts = [
            NestedFits(design, points, design.order_of(trial, points), *labels).results()
            for points in design.nested_points
        ]
        return trial, {pair: joined([results[pair] for results in parts]) for pair in design.pairs}

    def rows_drawn(self, trial: int) -> Iterator[Indices]:
        """Rows that the points of a trial use."""
        for points in self.design.nested_points:
            yield self.design.order_of(trial, points)[: sum(most(points))]
