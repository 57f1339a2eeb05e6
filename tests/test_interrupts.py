"""Ctrl-C at any moment is KeyboardInterrupt, and leaves nothing behind."""

import ast
import itertools
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from coverage import Coverage

import w2s_fast
from tests.campaign import interrupts
from tests.conftest import COMPILED
from w2s_fast import CoMoments, Gram, Moments, Study
from w2s_fast._threads import ordered_map

PACKAGE = Path(w2s_fast.__file__).parent
TRACED = pytest.mark.skipif(Coverage.current() is not None, reason="an interrupt within coverage leaves its lock taken")
PLAIN = ("None", "float", "int", "bool")  # what Numba makes a Python object of without running Python


def imported_kernels() -> set[tuple[str, str]]:
    """(module, function) of all kernels that Python code of the package imports; GPUs take their sources alone."""
    found = set()
    callers = [path for path in PACKAGE.rglob("*.py") if not {PACKAGE / "kernels", PACKAGE / "cuda"} & {*path.parents}]
    for path in callers:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("w2s_fast.kernels"):
                found |= {(node.module, alias.name) for alias in node.names}
    modules = {name for module, name in found if module == "w2s_fast.kernels"}
    calls = {
        (f"w2s_fast.kernels.{node.value.id}", node.attr)
        for path in callers
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }
    return {(module, name) for module, name in found | calls if module != "w2s_fast.kernels"}


def test_kernels_that_python_calls_take_and_return_nothing_that_runs_python() -> None:
    """Numba makes arrays and generators by Python functions, and goes on where a signal's handler raises in them."""
    checked = 0
    for module, name in imported_kernels():
        source = PACKAGE.parent / f"{module.replace('.', '/')}.py"
        tree = ast.parse(source.read_text(encoding="utf-8") if source.exists() else "")  # a folder has modules alone
        for node in tree.body:
            decorators = map(ast.unparse, getattr(node, "decorator_list", []))
            if getattr(node, "name", "") == name and any(each.endswith("kernel") for each in decorators):
                assert isinstance(node, ast.FunctionDef)
                assert node.returns is not None
                assert ast.unparse(node.returns) in PLAIN, f"{name} returns {ast.unparse(node.returns)}"
                assert not any(ast.unparse(arg.annotation or node) == "Generator" for arg in node.args.args), name
                checked += 1
    assert checked > 8


on_posix = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
may_be_dropped = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@on_posix
@pytest.mark.skipif(not COMPILED, reason="a call must be short beside the campaign")
@TRACED
def test_interrupts_at_random_moments() -> None:
    rng = np.random.default_rng(1)
    for name, kind in itertools.product(interrupts.CALLS, interrupts.KINDS):
        for _ in range(4):
            interrupts.interrupted(name, kind, rng)


@on_posix
@may_be_dropped
@TRACED
def test_a_kept_traceback_holds_no_thread_of_blas() -> None:
    """As that of the last error does in an interactive session."""
    before, kept = interrupts.blas(), []
    for name in ("map", "min_norm Gram", "min_norm stack", "MinNorm", "Gram", "simulate", "study", "probe"):
        call = interrupts.CALLS[name]
        call()
        for step in range(15):
            with interrupts.timer() as after:
                try:
                    after(1e-4 + 2e-4 * step)
                    end = time.monotonic() + 1.0  # Python may drop the interrupt in a callback of its own
                    while time.monotonic() < end:
                        call()
                except KeyboardInterrupt as error:
                    kept.append(error)
            assert interrupts.blas() == before, name


def test_maps_of_many_widths_leave_few_threads() -> None:
    before = threading.active_count()
    for workers in range(1, 41):
        assert sum(ordered_map(abs, range(100), workers)) == 4950
    assert threading.active_count() <= before + 40


@on_posix
@may_be_dropped
@TRACED
def test_an_interrupted_study_in_memory_goes_on_to_the_same_bits() -> None:
    def fresh() -> Study:
        return Study(interrupts.MODEL, n=9, N=[8, 20, 40], trials=60)

    expected = fresh().run(progress=False).result
    for step in range(60):
        study = fresh()
        with interrupts.timer() as after:
            try:
                after(2e-4 + 1e-4 * step)
                study.run(progress=False)
            except KeyboardInterrupt:
                pass
        study.run(progress=False)
        assert study.is_complete
        assert set(study.counts.tolist()) == {60}
        assert study.result.w2s.tobytes() == expected.w2s.tobytes()
        assert study.seconds >= 0.0


def test_a_study_runs_once_at_a_time() -> None:
    study, errors = Study(interrupts.MODEL, n=9, N=8, trials=20), []

    def again(done: int, total: int) -> None:
        for call in (lambda: study.run(progress=False), lambda: study.merge(other)):
            with pytest.raises(RuntimeError, match="is being run or merged already") as caught:
                call()
            errors.append(caught)

    other = Study(interrupts.MODEL, n=9, N=8, trials=20, seed=1).run(progress=False)
    study.run(progress=again)
    assert errors
    assert study.merge(other).run(progress=False).is_complete


@pytest.mark.parametrize("kind", [Gram, Moments, CoMoments])
def test_sums_updated_from_many_threads_lose_nothing(kind: type) -> None:
    total, rows, more = kind(), interrupts.normal(50, 4), kind().update(interrupts.normal(50, 4))

    def update() -> None:
        for _ in range(100):
            total.update(rows)
            total.merge(more)

    threads = [threading.Thread(target=update) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (total.n_rows if kind is Gram else total.count) == 4 * 100 * 2 * 50


def test_few_rows_with_labels_added_from_many_threads_are_all_there() -> None:
    """In one compiled call each, while others merge and take away."""
    total, rows, labels = Gram(), interrupts.normal(20, 4), interrupts.normal(20, 1)[:, 0]
    more = Gram().update(rows, labels)

    def update() -> None:
        for _ in range(300):
            total.update(rows, labels).merge(more).downdate(more)

    threads = [threading.Thread(target=update) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total.n_rows == 4 * 300 * 20
    assert total.xtx == pytest.approx(1_200 * rows.T @ rows, rel=1e-9)
