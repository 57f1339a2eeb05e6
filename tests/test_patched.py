"""Ours in place of what scikit-learn and NumPy export, and theirs back exactly, whatever happens meanwhile."""

import importlib
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import w2s_fast
from tests.conftest import HANG
from w2s_fast.linalg.leastsq.lstsq import lstsq

THEIRS = np.linalg.lstsq


def python(*arguments, cwd):
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=HANG, check=False)


def test_ours_is_there_within_the_block_alone():
    with w2s_fast.patched("numpy"):
        assert np.linalg.lstsq.__wrapped__ is THEIRS
        assert np.lib._polynomial_impl.lstsq is np.linalg.lstsq  # which polyfit calls
        assert np.allclose(np.polyfit([1.0, 2.0, 3.0], [3.0, 5.0, 7.0], 1), [2, 1])
    assert np.linalg.lstsq is THEIRS
    assert np.lib._polynomial_impl.lstsq is THEIRS


@pytest.mark.parametrize("shape", [(40, 3), (3, 40), (500, 40)])  # the last two reach NumPy's driver within ours
def test_ours_does_not_call_itself(shape):
    A, b = np.random.default_rng(0).standard_normal(shape), np.ones(shape[0])
    with w2s_fast.patched("numpy"):
        found = np.linalg.lstsq(A, b, rcond=None)
    for ours, theirs in zip(found, THEIRS(A, b, rcond=None), strict=True):
        assert np.allclose(ours, theirs)
    with w2s_fast.patched("numpy"):
        stack = np.linalg.lstsq(np.stack([A, A]), b)[0]
    assert np.allclose(stack, lstsq(A, b)[0])


def test_arrays_that_are_not_numpys_own_are_left_to_it():
    masked = np.ma.masked_array(np.eye(3), np.eye(3) > 2)

    class Elsewhere:
        def __array_function__(self, function, types, arguments, settings):
            return "theirs"

    with w2s_fast.patched("numpy"):
        assert np.linalg.lstsq(Elsewhere(), np.ones(3)) == "theirs"
        assert np.allclose(np.linalg.lstsq(masked, np.ones(3), rcond=None)[0], 1)


def test_theirs_is_back_after_an_error():
    with pytest.raises(ZeroDivisionError), w2s_fast.patched("numpy"):
        _ = 1 / 0
    assert np.linalg.lstsq is THEIRS


def test_blocks_within_blocks():
    with w2s_fast.patched("numpy"):
        ours = np.linalg.lstsq
        with w2s_fast.patched("numpy", "numpy"):
            assert np.linalg.lstsq is ours
        assert np.linalg.lstsq is ours
    assert np.linalg.lstsq is THEIRS


def test_blocks_that_overlap_end_with_the_last():
    first, second = w2s_fast.patched("numpy"), w2s_fast.patched("numpy")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert np.linalg.lstsq is not THEIRS
    second.__exit__(None, None, None)
    assert np.linalg.lstsq is THEIRS


def test_blocks_in_many_threads():
    def work():
        for _ in range(20):
            with w2s_fast.patched("numpy"):
                assert np.linalg.lstsq is not THEIRS

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.linalg.lstsq is THEIRS


def test_what_somebody_else_put_there_stays(monkeypatch):
    def theirs(a, b, rcond=None):
        return "somebody else's"

    with w2s_fast.patched("numpy"):
        pass
    monkeypatch.setattr(np.linalg, "lstsq", theirs)
    with w2s_fast.patched("numpy"):
        assert np.linalg.lstsq is not theirs
    assert np.linalg.lstsq is theirs


def test_it_decorates():
    @w2s_fast.patched("numpy")
    def inside():
        return np.linalg.lstsq is THEIRS

    assert not inside()
    assert not inside()
    assert np.linalg.lstsq is THEIRS


def test_names_that_are_no_libraries():
    for name in ("torch", "scipy", ""):
        with (
            pytest.raises(ValueError, match="libraries must be one of 'numpy', 'sklearn', got"),
            w2s_fast.patched(name),
        ):
            pass
    with pytest.raises(ValueError, match="libraries must be one of"), w2s_fast.patched("numpy", "torch"):
        pass
    assert np.linalg.lstsq is THEIRS


@pytest.mark.parametrize("first", ["import w2s_fast.patched", "w2s_fast.patched", "from w2s_fast.patched import main"])
@pytest.mark.parametrize("then", ["", "import w2s_fast.patched", "from w2s_fast import patched; patched"])
def test_the_module_of_that_name_is_as_good_as_the_function(first, then, tmp_path):
    code = f"""
import numpy as np, w2s_fast
theirs = np.linalg.lstsq
{first}
{then}
with w2s_fast.patched("numpy"):
    assert np.linalg.lstsq is not theirs
from w2s_fast import patched
with patched("numpy"):
    assert np.linalg.lstsq is not theirs
assert np.linalg.lstsq is theirs
assert patched.__module__ == "w2s_fast.patched"
"""
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


SCRIPT = """
import sys
import numpy as np
from helper import WORD
print(__name__, WORD, sys.argv[1:], np.linalg.lstsq.__module__, hasattr(np.linalg.lstsq, "__wrapped__"))
print(np.linalg.lstsq(np.eye(2), np.ones(2))[0])
sys.exit(3)
"""


@pytest.mark.parametrize("how", [["script.py"], ["-l", "numpy", "script.py"], ["-l", "numpy", "-m", "script"]])
def test_scripts_and_modules_run_with_ours(how, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("WORD = 'beside'")
    done = python("-m", "w2s_fast.patched", *how, "a", "--library", "b", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    assert done.stdout == "__main__ beside ['a', '--library', 'b'] numpy.linalg True\n[1. 1.]\n"


def test_a_script_that_is_not_there(tmp_path):
    done = python("-m", "w2s_fast.patched", "nothing.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "SCRIPT must be a file, got 'nothing.py'" in done.stderr


# scikit-learn


def places():
    """Every object of scikit-learn that any of its modules holds by name."""
    modules = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "sklearn"}
    return {
        (name, key): value
        for name, module in modules.items()
        for key, value in vars(module).items()
        if not key.startswith("__") and (callable(value) or isinstance(value, type))
    }


def test_scikit_learn_is_ours_within_the_block_alone():
    pytest.importorskip("sklearn")
    import sklearn.cluster
    import sklearn.decomposition
    import sklearn.linear_model

    import w2s_fast.sklearn as ours

    before = places()
    with w2s_fast.patched("sklearn"):
        for name in ("PCA", "TruncatedSVD"):
            assert getattr(sklearn.decomposition, name) is getattr(ours, name)
        for name in ("LinearRegression", "Ridge", "RidgeCV"):
            assert getattr(sklearn.linear_model, name) is getattr(ours, name)
        svd = sklearn.utils.extmath.randomized_svd
        assert sklearn.decomposition.randomized_svd is svd is not before["sklearn.utils.extmath", "randomized_svd"]
        used = "_randomized_svd" if hasattr(sklearn.decomposition._nmf, "_randomized_svd") else "randomized_svd"
        for module in (sklearn.decomposition._nmf, sklearn.cluster._bicluster):
            assert getattr(module, used).__wrapped__ is before[module.__name__, used]
        from sklearn.linear_model import Ridge
    after = places()
    assert {place: after[place] for place in before} == before
    assert Ridge is ours.Ridge  # a name that was imported within stays


def test_modules_that_are_imported_within_the_block_are_theirs_again():
    pytest.importorskip("sklearn")
    import sklearn.utils.extmath

    with w2s_fast.patched("sklearn"):
        module = importlib.reload(importlib.import_module("sklearn.decomposition._nmf"))
        name = next(name for name in ("_randomized_svd", "randomized_svd") if hasattr(module, name))
        assert getattr(module, name) is getattr(sklearn.utils.extmath, name)
    assert getattr(module, name) is getattr(sklearn.utils.extmath, name)
    assert not hasattr(getattr(module, name), "__wrapped__") or name == "randomized_svd"
    importlib.reload(module)


@pytest.mark.compiled
def test_models_made_before_and_within():
    pytest.importorskip("sklearn")
    import sklearn.decomposition
    from sklearn.decomposition import NMF

    X = np.abs(np.random.default_rng(0).standard_normal((60, 8)))
    before = sklearn.decomposition.PCA(2).fit(X)
    with w2s_fast.patched():
        again = pickle.loads(pickle.dumps(before))
        model = sklearn.decomposition.PCA(2).fit(X)
        factors = NMF(2, init="nndsvd", random_state=0).fit_transform(X)
    assert type(again) is type(before)
    assert np.allclose(again.transform(X), before.transform(X))
    assert type(pickle.loads(pickle.dumps(model))).__module__ == "w2s_fast.sklearn.decomposition"
    assert np.allclose(np.abs(model.components_), np.abs(before.components_))
    assert np.allclose(factors, NMF(2, init="nndsvd", random_state=0).fit_transform(X), atol=1e-2)


def test_scikit_learn_is_not_needed(tmp_path):
    code = """
import sys
sys.modules["sklearn"] = None
import numpy as np, w2s_fast
try:
    with w2s_fast.patched("sklearn"):
        pass
except ModuleNotFoundError as error:
    print(error)
try:
    import w2s_fast.sklearn
except ModuleNotFoundError as error:
    print(error)
"""
    done = python("-c", code, cwd=tmp_path)
    assert done.stdout.splitlines() == 2 * ["w2s_fast.sklearn needs scikit-learn: pip install 'w2s_fast[sklearn]'"]
