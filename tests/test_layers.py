"""The architecture holds: what may import what, and what importing the package may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import w2s_fast

PACKAGE = Path(w2s_fast.__file__).parent
LAYERS = [
    (
        "_arrays",
        "_blas",
        "_cached",
        "_check",
        "_cores",
        "_devices",
        "_display",
        "_files",
        "_frames",
        "_fork",
        "_jit",
        "_random",
        "_text",
        "_types",
    ),
    ("_machine", "_threads"),
    ("_workers",),
    ("kernels",),
    ("linalg",),
    ("linalg.files",),
    ("linalg.rows",),
    ("linalg.leastsq",),
    ("linalg.logistic",),
    ("linalg.accumulate",),
    ("linalg.spectral",),
    ("results",),
    ("gaussian", "probing"),
    ("study",),
    ("features",),
    ("tasks",),
    ("warmup",),
]
APART = ("gaussian", "probing")  # neither knows the other
TOP = ("cli", "cuda", "scale", "sklearn")  # may import everything below, and not one another
ABOVE = ("patched", "__main__")  # puts sklearn in place; the command, as a module
OWNERS = {
    "dask": "scale.py",
    "distributed": "scale.py",
    "numba.cuda": "cuda/_shim.py",
    "numba_cuda": "cuda/_shim.py",
    "cupy": "cuda/_shim.py",
    "matplotlib": "study/figures.py",
    "sqlite3": "study/database.py",
    "pandas": "_frames.py",
    "polars": "_frames.py",
    "xarray": "_frames.py",
    "click": "cli/",
    "h5py": "linalg/files/hdf5.py",
    "zarr": "linalg/files/zarr.py",
    "fsspec": "linalg/files/remote.py",
    "sklearn": ("sklearn/", "patched.py"),
}
RANK = {room: rank for rank, rooms in enumerate([*LAYERS, TOP, ABOVE]) for room in rooms}


def room_of(dotted: str) -> str:
    """``w2s_fast.linalg.accumulate.gram`` -> ``linalg.accumulate``, ``w2s_fast.gaussian.theory`` -> ``gaussian``."""
    parts = dotted.split(".")[1:] or ["__init__"]
    inner = ".".join(parts[:2])
    return inner if inner in RANK else parts[0]


def module_of(path: str) -> str:
    """``linalg/rows/scale.py`` -> ``w2s_fast.linalg.rows.scale``."""
    return "w2s_fast." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(source: str, types: bool = False) -> list[str]:
    """Every module that a file imports, wherever it does so; what is for type checkers alone if ``types``."""
    found = []

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if types or "TYPE_CHECKING" not in ast.dump(node.test):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.extend(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            assert node.level == 0, "relative imports hide the layer"
            found.append(node.module)
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)

    Visitor().visit(ast.parse(source))
    return found


def violations(path: str, source: str) -> list[str]:
    """Imports in the package file ``path`` that break the rules."""
    room = room_of(module_of(path))
    bad = []
    for name in imports(source):
        for library, owner in OWNERS.items():
            if (name == library or name.startswith(library + ".")) and not path.startswith(owner):
                bad.append(f"{path} imports {name}, which belongs in {owner}")
        if (
            name in ("importlib", "importlib.import_module")
            and RANK.get(room, len(LAYERS)) <= RANK["probing"]
            and room not in ("_devices", "_arrays")  # which finds the libraries of callers, not modules of ours
            and path != "linalg/files/registry.py"  # whose formats are its neighbours
        ):
            bad.append(f"{path} imports {name}: modules found by name are for _devices.py, or nobody sees the layer")
        if room == "__init__" or not name.startswith("w2s_fast.") or room_of(name) not in RANK:
            continue
        target = room_of(name)
        apart = target != room and ({target, room} <= set(TOP) or {target, room} <= set(APART))
        if RANK[target] > RANK[room] or apart:
            bad.append(f"{path} imports {name}, which lies above it")
    return bad


FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_data_flows_up(path: str) -> None:
    assert violations(path, (PACKAGE / path).read_text(encoding="utf-8")) == []


def test_every_room_has_a_rank() -> None:
    rooms = {path.split("/")[0].removesuffix(".py") for path in FILES} - {"__init__"}
    assert rooms <= set(RANK)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("kernels/moments.py", "from w2s_fast.linalg.accumulate import gram"),
        ("linalg/files/matrix.py", "from w2s_fast.linalg.rows import products"),
        ("linalg/rows/products.py", "from w2s_fast.linalg.leastsq.policy import Cutoff"),
        ("linalg/leastsq/min_norm.py", "from w2s_fast.linalg.accumulate.gram import Gram"),
        ("linalg/accumulate/gram.py", "from w2s_fast.linalg.spectral import subspace"),
        ("kernels/moments.py", "import w2s_fast.gaussian.theory"),
        ("_check.py", "def f():\n    from w2s_fast.kernels.moments import add_rows"),
        ("gaussian/theory.py", "from w2s_fast.study.study import Study"),
        ("scale.py", "import w2s_fast.cli"),
        ("linalg/accumulate/gram.py", "import matplotlib.pyplot"),
        ("linalg/accumulate/gram.py", "from numba import cuda"),
        ("linalg/accumulate/gram.py", "import numba_cuda"),
        ("cuda/kernels.py", "from numba import cuda"),
        ("cuda/solve.py", "import cupy"),
        ("gaussian/simulate.py", "from w2s_fast.cuda import trials"),
        ("gaussian/theory.py", "from w2s_fast.probing.task import Task"),
        ("results/trials.py", "from w2s_fast.gaussian.model import GaussianModel"),
        ("cuda/trials.py", "from w2s_fast.cli import info"),
        ("gaussian/simulate.py", "import importlib"),
        ("gaussian/simulate.py", "from importlib import import_module"),
        ("study/study.py", "import dask.array"),
        ("results/trials.py", "import sklearn.base"),
        ("linalg/spectral/randomized.py", "from w2s_fast.sklearn import PCA"),
        ("sklearn/linear.py", "from w2s_fast.patched import patched"),
        ("sklearn/linear.py", "import w2s_fast.cli"),
        ("study/study.py", "import sqlite3"),
    ],
)
def test_the_check_can_fail(path: str, source: str) -> None:
    assert violations(path, source)


def test_types_alone_may_point_up() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from w2s_fast.study.study import Study"
    assert violations("gaussian/theory.py", source) == []


def test_no_module_leads_back_to_itself() -> None:
    """Not even for type checkers: what needs that belongs in one module."""
    modules = {module_of(path): path for path in FILES if not path.endswith("__init__.py")}
    left = {
        module: {name for name in imports((PACKAGE / path).read_text(encoding="utf-8"), types=True) if name in modules}
        - {module}
        for module, path in modules.items()
    }
    while free := [module for module, needed in left.items() if not needed & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


HEAVY = (
    "numba",
    "cupy",
    "w2s_fast.cuda",
    "scipy",
    "matplotlib",
    "sqlite3",
    "pandas",
    "polars",
    "xarray",
    "click",
    "rich",
    "threadpoolctl",
    "torch",
    "transformers",
    "timm",
    "pyarrow",
    "h5py",
    "zarr",
    "fsspec",
    "sklearn",
)


@pytest.mark.parametrize(("statement", "more"), [("import w2s_fast", ()), ("from w2s_fast import *", ("sqlite3",))])
def test_importing_loads_nothing_heavy(statement: str, more: tuple[str, ...]) -> None:
    heavy = tuple(module for module in HEAVY if module not in more)
    program = f"import sys; {statement}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_study_of_a_gaussian_model_loads_nothing_of_real_features() -> None:
    program = (
        "import sys\nfrom w2s_fast import GaussianModel, Study\n"
        "Study(GaussianModel.paper(4, 3, 2, d_target=5), n=9, N=8, trials=1)\n"
        "names = 'study.features_source', 'probing.data', 'gaussian.stages', 'gaussian.planning', 'linalg.files.npz'\n"
        "print([name for name in names if f'w2s_fast.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_cpu_users_load_nothing_of_cuda() -> None:
    program = (
        "import sys\nfrom w2s_fast import GaussianModel, Gram, simulate\n"
        "simulate(GaussianModel.paper(4, 3, 2, d_target=5), 9, 8, trials=1), Gram().update([[1.0]])\n"
        "print([m for m in ('numba_cuda', 'numba.cuda.cudadrv', 'cupy', 'w2s_fast.cuda') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_listed_once() -> None:
    assert sorted(w2s_fast._HOME) == w2s_fast.__all__
    for name in w2s_fast.__all__:
        assert getattr(w2s_fast, name).__module__ == f"w2s_fast.{w2s_fast._HOME[name]}"
    assert set(w2s_fast.__all__) <= set(dir(w2s_fast))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = w2s_fast.nonsense


def test_no_test_imports_another() -> None:
    for path in Path(__file__).parent.rglob("test_*.py"):
        for name in imports(path.read_text(encoding="utf-8")):
            assert not (name.startswith("tests.") and name.rsplit(".", 1)[-1].startswith("test_")), f"{path} <- {name}"
