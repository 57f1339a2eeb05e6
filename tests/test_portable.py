"""Nothing needs POSIX: what Windows lacks has a fallback, which is tried; files have names and encodings for all."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import w2s_fast
from tests import elsewhere
from w2s_fast import GaussianModel, Study, _blas, _cores, _files, simulate
from w2s_fast._files import whole_file

PACKAGE = Path(w2s_fast.__file__).parent
ONLY_POSIX = {module.__name__: names for module, names in elsewhere.MISSING.items()}
PLACES = {  # what of Linux is opened, and where: each reader takes "there is none" for an answer
    ("_cores.py", "/sys/fs/cgroup"),
    ("_cores.py", "/proc/self/cgroup"),
    ("_files.py", "/proc/self/fd"),
    ("cli/info.py", "/proc/cpuinfo"),
    ("features/batches.py", "/proc/meminfo"),
    ("linalg/files/plain.py", "/proc/self/maps"),
}
FORGIVEN = {"OSError", "AttributeError", "ImportError", "Exception"}
NO_NAME = re.compile(r'[<>:"|?*\\]')  # what no name of a file may have on Windows
NAME = re.compile(r"\S+\.(png|svg|pdf|html|csv|json|jsonl|npy|npz|zarr|sqlite|safetensors)")


@cache
def sources() -> list[tuple[str, ast.Module]]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in files]


def unguarded(tree: ast.AST) -> Iterator[str]:
    """Uses of what only POSIX has, of which nothing around says what is done without."""
    yield from _unguarded(tree, guarded=False, known=frozenset())


def _unguarded(node: ast.AST, guarded: bool, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Try):
        caught = {name.id for handler in node.handlers for name in ast.walk(handler) if isinstance(name, ast.Name)}
        for part in node.body:
            yield from _unguarded(part, guarded or bool(caught & FORGIVEN), known)
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            yield from _unguarded(part, guarded, known)
        return
    if isinstance(node, ast.With) and any(
        ast.unparse(item.context_expr).startswith("suppress(") and "AttributeError" in ast.unparse(item.context_expr)
        for item in node.items
    ):
        guarded = True
    if isinstance(node, ast.If | ast.IfExp | ast.BoolOp):
        text = ast.unparse(node.values[0] if isinstance(node, ast.BoolOp) else node.test)
        known |= frozenset(re.findall(r"hasattr\(\w+, '(\w+)'\)", text))
        guarded = guarded or "sys.platform" in text
    name = _posix_name(node)
    if name and not guarded and name.rpartition(".")[2] not in known:
        yield name
    for child in ast.iter_child_nodes(node):
        yield from _unguarded(child, guarded, known)


def _posix_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}" if node.attr in ONLY_POSIX.get(node.value.id, ()) else None
    if isinstance(node, ast.Import):
        return next((alias.name for alias in node.names if alias.name in elsewhere.MODULES), None)
    if isinstance(node, ast.ImportFrom):
        wanted = ONLY_POSIX.get(node.module or "", ())
        found = [f"{node.module}.{alias.name}" for alias in node.names if alias.name in wanted]
        return (node.module if node.module in elsewhere.MODULES else None) or next(iter(found), None)
    return None


def test_what_only_posix_has_is_not_needed() -> None:
    assert {path: found for path, tree in sources() if (found := list(unguarded(tree)))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "os.getuid()",
        "import resource",
        "from fcntl import flock",
        "from os import fork",
        "signal.signal(signal.SIGHUP, stop)",
        "hasattr(os, 'fork') or os.fork()\nos.fork()",
        "if hasattr(os, 'fork'): os.getuid()",
        "try: pass\nexcept OSError: os.sched_getaffinity(0)",
        "try: os.pread(1, 2, 3)\nexcept ValueError: pass",
        "mmap.mmap(1, 2, flags=mmap.MAP_PRIVATE)",
        "with suppress(ValueError): os.fchmod(1, 2)",
    ],
)
def test_the_check_can_fail(source: str) -> None:
    assert list(unguarded(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "if hasattr(os, 'fork'): os.fork()",
        "found = os.getuid() if hasattr(os, 'getuid') else 0",
        "with suppress(OSError, AttributeError): os.fchmod(1, 2)",
        "try: import resource\nexcept ImportError: resource = None",
        "if sys.platform == 'linux': os.sched_getaffinity(0)",
        "os.open(os.devnull, os.O_RDWR)",
    ],
)
def test_guards_are_known(source: str) -> None:
    assert not list(unguarded(ast.parse(source)))


def test_places_of_linux_are_the_known_ones() -> None:
    found = {
        (path, node.value)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(elsewhere.PLACES)
    }
    assert found == PLACES


def test_text_has_a_stated_encoding_and_files_are_replaced_not_renamed() -> None:
    """Windows has other encodings by default, and renames over nothing."""
    found = []
    for path, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = {keyword.arg for keyword in node.keywords}
            if name in ("read_text", "write_text", "TextIOWrapper") and "encoding" not in given and len(node.args) < 2:
                found.append((path, node.lineno, name))
            if ast.unparse(node.func) == "open" and "encoding" not in given and "b" not in _mode(node):
                found.append((path, node.lineno, name))
            if ast.unparse(node.func) == "os.rename" or (name == "rename" and len(node.args) == 1 and not given):
                found.append((path, node.lineno, name))
    assert found == []


def _mode(call: ast.Call) -> str:
    modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return str(modes[0].value) if modes and isinstance(modes[0], ast.Constant) else "r"


def test_names_of_files_can_be_names_everywhere() -> None:
    texts = {
        node.value
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value)
    }
    assert {"study.sqlite", "reproduce.html"} & texts  # the check sees some
    assert not [text for text in texts if NO_NAME.search(text) and "://" not in text and "*" not in text]


def test_cores_are_counted_where_affinity_is_not_told(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert _cores._cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert _cores._cores() == 1
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert _cores._cores() == 3


def test_without_a_blas_that_can_be_limited_results_are_the_same(monkeypatch, tmp_path) -> None:
    """Apple's Accelerate is unknown to threadpoolctl."""
    model = GaussianModel.paper(6, 4, 2, d_target=8)
    expected = simulate(model, 20, 30, trials=3, seed=1).w2s
    monkeypatch.setattr(_blas, "_libraries", lambda: [])
    assert (_blas.kernels(), _blas.callers_threads()) == ("", None)
    with _blas.single_threaded_blas():
        assert np.array_equal(simulate(model, 20, 30, trials=3, seed=1).w2s, expected)
    Study(model, n=[20], N=[30], trials=3, seed=1, keep_trials=True, path=tmp_path / "study.sqlite").run(progress=False)
    assert np.array_equal(Study.open(tmp_path / "study.sqlite").result.w2s.ravel(), expected)


def in_use(number: int) -> PermissionError:
    error = PermissionError(13, "The process cannot access the file because it is being used by another process")
    error.winerror = number  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("number", _files.IN_USE)
def test_a_file_in_use_is_replaced_when_it_is_free(number: int, monkeypatch, tmp_path) -> None:
    refusals, replace = [in_use(number)] * 3, os.replace

    def busy(*names) -> None:
        if refusals:
            raise refusals.pop()
        replace(*names)

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(_files, "sleep", lambda _: None)
    for content in (b"first", b"second"):
        with whole_file(tmp_path / "file.txt") as file:
            file.write(content)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"second"]


@pytest.mark.parametrize(("error", "tries"), [(in_use(5), _files.TRIES), (PermissionError(13, "no right"), 1)])
def test_a_file_that_stays_in_use_is_an_error(error: OSError, tries: int, monkeypatch, tmp_path) -> None:
    calls = []

    def refuse(*names) -> None:
        calls.append(names)
        raise error

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(_files, "sleep", lambda _: None)
    with pytest.raises(PermissionError), whole_file(tmp_path / "file.txt") as file:
        file.write(b"lost")
    assert (len(calls), list(tmp_path.iterdir())) == (tries, [])


ELSEWHERE = """
import sys
import numba, numpy as np, scipy.linalg, sqlite3, threadpoolctl
from pathlib import Path
from tests import elsewhere
elsewhere.take_away()
from w2s_fast import GaussianModel, Study, min_norm, simulate
from w2s_fast.features.batches import free_memory
from w2s_fast.cli import main

model, path = GaussianModel.paper(6, 4, 2, d_target=8), "study.sqlite"
Study(model, n=[20], N=[30, 40], trials=3, seed=1, path=path).run(progress=False)
assert Study.open(path).to_csv("table.csv").to_csv("table.csv").is_complete
X = np.random.default_rng(0).standard_normal((60, 5))
np.save("X.npy", X)
mapped = np.load("X.npy", mmap_mode="r")
assert np.allclose(min_norm("X.npy", X[:, 0]), min_norm(mapped, X[:, 0]))
assert free_memory() == sys.maxsize
assert sorted(path.name for path in Path().iterdir()) == ["X.npy", "study.sqlite", "table.csv"]
print(simulate(model, 20, 30, trials=2, seed=1).w2s.tolist())
sys.argv[1:] = ["info"]
main()
"""


@pytest.mark.compiled
def test_all_works_where_nothing_of_posix_is(tmp_path) -> None:
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", ELSEWHERE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = simulate(GaussianModel.paper(6, 4, 2, d_target=8), 20, 30, trials=2, seed=1).w2s
    assert done.stdout.splitlines()[0] == str(expected.tolist())
