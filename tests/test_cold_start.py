"""Compiled code is kept and found again: after a warm-up, in read-only places, with two processes at once."""

import ast
import os
import pickle
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import w2s_fast
from bench.first_calls import CALLS, PRELUDE
from tests.conftest import HANG
from w2s_fast import GaussianModel
from w2s_fast._jit import _OwnNames
from w2s_fast.gaussian.coordinates import geometry, setting
from w2s_fast.gaussian.runners import InvariantTrials, Span, WishartTrials
from w2s_fast.probing.design import Design
from w2s_fast.probing.probe import ProbeTrials
from w2s_fast.probing.task import Task
from w2s_fast.warmup import compiling_few_rows_and_ridge, compiling_simulations

pytestmark = pytest.mark.compiled
PACKAGE = Path(w2s_fast.__file__).parent
COUNT = """
from numba.core.dispatcher import Dispatcher
import gc
found = [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.__module__.startswith("w2s_fast")]
print("compiled", sum(sum(d.stats.cache_misses.values()) for d in found))
print("loaded", sum(sum(d.stats.cache_hits.values()) for d in found))
"""
ASKED = """
import gc
from numba.core.dispatcher import Dispatcher

def asked():
    print("asked")
    for d in gc.get_objects():
        if isinstance(d, Dispatcher) and d.__module__.startswith("w2s_fast"):
            for types in {*d.stats.cache_hits, *d.stats.cache_misses}:
                print(d.__module__, d.__name__, types)
"""
UPDATE = "import numpy as np\nfrom w2s_fast import Moments\nprint(Moments().update(np.ones((4, 3), np.{})).mean)\n"


def python(program: str, folder: Path | None = None, **environment: str) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,  # where Python looks first
        env=clean | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: "subprocess.Popen[str]") -> str:
    out, errors = process.communicate(timeout=HANG)
    assert process.returncode == 0, errors
    assert errors == ""
    return out


def asked_for(program: str) -> list[set[str]]:
    """Kernels that were called at each call of ``asked()``, with their types of arguments; others print nothing."""
    found: list[set[str]] = []
    for line in output(python(ASKED + program)).splitlines():
        if line == "asked":
            found.append(set())
        else:
            found[-1].add(line)
    return found


@pytest.fixture(scope="module")
def warm():
    """What a warm-up leaves in the cache for others to load: which may hold more, since other tests fill it, too."""
    command = "import sys\nfrom w2s_fast.cli import main\nsys.argv = ['w2s-fast', 'warmup', '--quiet']\nmain()\n"
    assert output(python(command)) == ""
    (found,) = asked_for(command + "asked()")  # the second time: what is loaded asks for none of the kernels within
    return found


def test_a_warm_up_compiles_what_every_function_calls(warm):
    found = asked_for(PRELUDE + "".join(f"{call}\nasked()\n" for call in CALLS.values()))
    beyond = {name: kernels - warm for name, kernels in zip(CALLS, found, strict=True)}
    assert {name: kernels for name, kernels in beyond.items() if kernels} == {}


def kernels_called_from_python():
    """Module and name of every kernel that a module above them asks for."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in ("kernels", "cuda"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {}  # of whole modules, as they are called here
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "w2s_fast.kernels":
                names |= {alias.asname or alias.name: f"w2s_fast.kernels.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("w2s_fast.kernels."):
                found |= {(node.module, alias.name) for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                found.add((names[node.value.id], node.attr))
    return found


def test_a_warm_up_covers_every_kernel(warm):
    pairs = kernels_called_from_python()
    kernels = {pair for pair in pairs if isinstance(getattr(import_module(pair[0]), pair[1]), Dispatcher)}
    assert len(kernels) > 10
    assert kernels - {tuple(line.split(" ", 2)[:2]) for line in warm} == set()


def test_what_workers_run_starts_a_fresh_process_without_compiling(warm, tmp_path):
    model = GaussianModel.paper(d_weak=4, d_strong=3, d_shared=1, d_target=5, ambient=20)
    X = np.random.default_rng(0).standard_normal((200, 7))
    spans = [Span(9, 40, 0, 3)]
    work = [
        (WishartTrials.of(model, spans, 0, ridge), span) for span in (*spans, Span(3, 2, 0, 3)) for ridge in (0.0, 0.1)
    ]
    work.append((InvariantTrials(0, "cpu", setting(geometry(model))), spans[0]))
    work.append((ProbeTrials(Design.of(Task.of(X[:, :3], X[:, 3:6], X[:, 6]), 20, 50, 0)), 0))
    sent = tmp_path / "work.pickle"
    sent.write_bytes(pickle.dumps(work))
    program = f"import pickle\nfor run, item in pickle.load(open({str(sent)!r}, 'rb')):\n    run(item)\nasked()"
    (found,) = asked_for(program)
    assert found
    assert found - warm == set()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What one process printed, and the cache that it left."""
    cache = tmp_path_factory.mktemp("kept")
    return output(python(UPDATE.format("float64") + COUNT, NUMBA_CACHE_DIR=str(cache))).splitlines(), cache


def test_the_count_above_can_fail(kept):
    assert "compiled 0" not in kept[0]
    assert any(line.startswith("compiled ") for line in kept[0])


@pytest.mark.parametrize("home", ["a folder", "a file"])
def test_a_read_only_installation(tmp_path, home):
    """Files stand where folders would have to be made: that stops the superuser too."""
    copy = tmp_path / "site" / "w2s_fast"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        (folder / "__pycache__").touch()
    place = tmp_path / "home"
    place.mkdir() if home == "a folder" else place.touch()
    search = os.pathsep.join([str(copy.parent), *filter(None, sys.path)])
    settings = {"PYTHONPATH": search, "HOME": str(place), "XDG_CACHE_HOME": str(place / "cache")}
    program = "import w2s_fast\nassert 'site' in w2s_fast.__file__\n" + UPDATE.format("float64")
    for _ in range(2):
        assert "[1. 1. 1.]" in output(python(program, copy.parent, **settings))
    assert bool(list(tmp_path.rglob("*.nbi"))) == (home == "a folder")


def test_two_processes_compile_at_once(tmp_path):
    dtypes = ("float32", "float64", "float32", "float64")
    running = [python(UPDATE.format(dtype), NUMBA_CACHE_DIR=str(tmp_path)) for dtype in dtypes]
    assert all("[1. 1. 1.]" in output(process) for process in running)
    program = "".join(UPDATE.format(dtype) for dtype in dtypes[:2]) + COUNT
    lines = output(python(program, NUMBA_CACHE_DIR=str(tmp_path))).splitlines()
    assert lines[:2] == ["[1. 1. 1.]", "[1. 1. 1.]"]
    assert "loaded 0" not in lines


def test_files_of_a_cache_belong_to_one_process():
    pattern = _OwnNames("add_rows.py311.{number:d}.nbc")
    names = {pattern.format(number=2) for _ in range(100)}
    assert len(names) == 100  # nodes that share a disk may have the same process number
    assert all(re.fullmatch(r"add_rows\.py311\.2-[0-9a-f]{16}\.nbc", name) for name in names)
    from w2s_fast.kernels.moments import add_rows

    assert isinstance(add_rows._cache._cache_file._data_name_pattern, _OwnNames)


@pytest.mark.parametrize(("suffix", "left"), [(".nbi", 0), (".nbi", 40), (".nbc", 40)])
def test_truncated_files_of_a_cache_are_made_anew(kept, tmp_path, suffix, left):
    cache = shutil.copytree(kept[1], tmp_path / "cache")
    program = UPDATE.format("float64") + COUNT
    files = list(cache.rglob(f"*{suffix}"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:left])
    lines = output(python(program, NUMBA_CACHE_DIR=str(cache))).splitlines()
    assert lines[0] == "[1. 1. 1.]"
    assert "compiled 0" not in lines
    assert "compiled 0" in output(python(program, NUMBA_CACHE_DIR=str(cache))).splitlines()


FULL_DISK = """
import errno
from numba.core.caching import IndexDataCacheFile
def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")
IndexDataCacheFile._open_for_write = full
"""


def test_a_full_disk_keeps_nothing_and_compiles(tmp_path):
    assert "[1. 1. 1.]" in output(python(FULL_DISK + UPDATE.format("float64"), NUMBA_CACHE_DIR=str(tmp_path)))
    assert not list(tmp_path.rglob("*.nbc"))


@pytest.mark.parametrize("meanwhile", [compiling_few_rows_and_ridge, compiling_simulations])
def test_another_process_compiles_what_it_is_asked_to(monkeypatch, meanwhile):
    started = []
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", lambda command, **options: started.append(command) or Mock())
        with meanwhile():
            pass
    subprocess.run(started[0], check=True, env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)}, timeout=HANG)


def test_nothing_depends_on_another_process(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/python")
    with compiling_few_rows_and_ridge():
        ran = True
    assert ran
