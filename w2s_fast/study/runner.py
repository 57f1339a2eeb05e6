"""Runs and merges of a study, each of which holds the study and its file alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from w2s_fast._machine import versions
from w2s_fast._workers import DeadWorkersError, Pool, Workers, count_of, pool_of, require_local
from w2s_fast.gaussian.runners import Device
from w2s_fast.study import store
from w2s_fast.study.base import BaseStudy
from w2s_fast.study.progress import progress_bar
from w2s_fast.study.source import Chunk

Report = Callable[[int, int], None]
_beginning = threading.Lock()
_last_begun: WeakKeyDictionary[BaseStudy, threading.Lock] = WeakKeyDictionary()  # held until the run or merge ends


def run(study: BaseStudy, progress: bool | Report, device: Device, workers: Workers) -> None:
    """Run every trial that is missing."""
    require_local(workers, device)
    workers = pool_of(workers)
    for scenario in study.scenarios:
        scenario.require_device(device)
    alone = threading.Lock()
    with alone, _file_alone(study, alone) as file, progress_bar(study.title, progress is True) as bar:
        _run(study, file, progress if callable(progress) else bar or _silent, device, workers)


def merge(study: BaseStudy, other: BaseStudy) -> None:
    """Add the trials of the same study run with other seeds."""
    leaves_out = other.spec.keep_trials and not study.spec.keep_trials
    spec = replace(other.spec, keep_trials=False) if leaves_out else other.spec
    study.require_same(spec, "other is another study")
    if missing := [name for name in study.measured.columns if name not in other.measured.columns]:
        raise ValueError(f"other was run by an earlier version and has no {missing[0]}: merge this study into it")
    theirs = other.measured.having(study.measured.columns)
    alone = threading.Lock()
    with alone, _file_alone(study, alone) as file:
        shared = sorted(study.seeds.keys() & other.seeds.keys())
        if shared:
            raise ValueError(
                f"both studies hold seed {', '.join(map(str, shared))}, whose trials would count twice: "
                "run one of them with another seed"
            )
        study.seeds |= other.seeds
        study.runs += other.runs
        study.measured.adopt(theirs)
        if file is not None:
            file.save_merged(other.seeds, theirs, study.runs)


def _file_alone(study: BaseStudy, alone: threading.Lock) -> AbstractContextManager[store.Store | None]:
    """Give a study's file to a run or merge that holds ``alone``; an error while another holds its own."""
    with _beginning:
        last = _last_begun.get(study)
        if last is not None and last.locked():
            raise RuntimeError(
                f"study {study.title!r} is being run or merged already, by another thread or around the callback "
                "progress: wait for that to end, or make a second study"
            )
        _last_begun[study] = alone
    return _file(study)


@contextmanager
def _file(study: BaseStudy) -> Iterator[store.Store | None]:
    """Yield a study's file, held alone, with what it says read in; None in memory."""
    if study.path is None:
        yield None
        return
    if not os.path.exists(study.path):
        store.create(study.path, study.spec, study.scenarios, study.seeds, study.nothing(), ())
    with store.opened(study.path, write=True) as file:
        study.require_same(file.spec, f"{os.fsdecode(study.path)} holds another study")
        file.scenarios()  # refuses models that are damaged, though the study has its own
        there = file.seeds()
        if not study.seeds.keys() <= there.keys():
            raise ValueError(
                f"{os.fsdecode(study.path)} holds seed {', '.join(map(str, there))}, asked for {study.seed}: "
                "run another seed in a file of its own, then merge the two"
            )
        study.seeds = there | {seed: max(trials, there.get(seed, 0)) for seed, trials in study.seeds.items()}
        study.take_in(file)
        yield file


def _run(study: BaseStudy, file: store.Store | None, report: Report, device: Device, workers: Workers) -> None:
    before, total = int(study.counts.sum()), study.trials * study.spec.places
    done, started = before, time.perf_counter()
    run: dict[str, Any] = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions()}
    run |= {"device": device, "workers": count_of(workers)}
    report(done, total)
    if file is not None and file.seeds() != study.seeds:
        file.save_seeds(study.seeds)
    chunks = _missing(study, device, workers)
    try:
        for seed, chunk in chunks:
            first = done == before
            done += sum(len(values) for _, _, values in chunk)
            run |= {"seconds": time.perf_counter() - started, "trials": done - before}
            if isinstance(workers, Pool) and workers.versions is not None:
                run["versions"] = workers.versions
            study.measured.add(seed, chunk)
            if first:
                study.runs.append(run)
            if file is not None:
                file.save_chunk(seed, chunk, study.measured, study.runs)
            report(done, total)
    finally:
        chunks.close()  # by C code, which no interrupt keeps from it


def _missing(study: BaseStudy, device: Device, workers: Workers) -> Generator[tuple[int, Chunk], None, None]:
    """Run what is missing; yield each seed's chunks, with places for points."""
    points, died = study.points, []
    for index, scenario in enumerate(study.scenarios):
        first_place = index * len(points)
        kept = [scenario.columns.index(name) for name in study.measured.columns]  # a file may be older than a metric
        for seed, trials in study.seeds.items():
            done = study.measured.done(seed)[first_place : first_place + len(points)]
            if min(done) < trials:
                try:
                    for chunk in scenario.run(points, done, trials, seed=seed, device=device, workers=workers):
                        yield seed, [(first_place + point, first, values[:, kept]) for point, first, values in chunk]
                except DeadWorkersError as error:
                    died.append(str(error))
    if died:
        raise DeadWorkersError("; ".join(died))


def _silent(done: int, total: int) -> None:
    """Report nothing."""
