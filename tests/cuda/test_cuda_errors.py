"""What the CUDA part says where something is missing or misplaced: shown with fakes, without numba-cuda or a GPU."""

import builtins
import sys
import types

import numpy as np
import pytest

from tests.models import GEOMETRIES
from w2s_fast import simulate
from w2s_fast._devices import Driver, DriverError

MODULES = ("_shim", "arrays", "accumulate", "kernels", "random", "solve", "trials")


class DeviceArray:
    """An array of a GPU, as far as checks look at it."""

    ndim, shape, dtype = 2, (3, 2), np.dtype(np.float64)

    def __init__(self, gpu=0):
        self.device = types.SimpleNamespace(id=gpu)


class OutOfMemoryError(Exception):
    pass


@pytest.fixture
def fresh(monkeypatch):
    """Let each test import the package's CUDA part anew, and forget it afterwards."""
    import w2s_fast.cuda

    def forget():
        for name in MODULES:
            sys.modules.pop(f"w2s_fast.cuda.{name}", None)
            vars(w2s_fast.cuda).pop(name, None)

    before = {name: module for name, module in sys.modules.items() if name.startswith("w2s_fast.cuda.")}
    forget()
    yield monkeypatch
    forget()
    sys.modules.update(before)
    vars(w2s_fast.cuda).update({name.rsplit(".", 1)[1]: module for name, module in before.items()})


@pytest.fixture
def packages(fresh):
    """numba-cuda and CuPy as far as they are used before a launch, on a machine with GPUs 0 and 1."""

    def jit(function=None, device=False):
        return function or (lambda function: function)

    cupy = types.ModuleType("cupy")
    cupy.ndarray, cupy.__version__ = DeviceArray, "14"
    cupy.asarray = lambda value: DeviceArray() if hasattr(value, "__cuda_array_interface__") else _exhausted()
    cupy.from_dlpack = lambda value: DeviceArray()
    memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
    device = types.SimpleNamespace(id=0, attributes={"MultiProcessorCount": 2}, mem_info=(10**6, 10**9))
    cupy.cuda = types.SimpleNamespace(memory=memory, Device=lambda: device)
    cupy.get_default_memory_pool = lambda: types.SimpleNamespace(free_bytes=lambda: 5)
    cuda = types.ModuleType("numba.cuda")
    cuda.jit, cuda.config = jit, types.SimpleNamespace(ENABLE_CUDASIM=0)
    cuda.types = types.SimpleNamespace(float64=float, int64=int)
    import numba

    for name, module in {"numba_cuda": types.ModuleType("numba_cuda"), "numba.cuda": cuda, "cupy": cupy}.items():
        fresh.setitem(sys.modules, name, module)
    fresh.setattr(numba, "cuda", cuda, raising=False)
    fresh.setattr("w2s_fast._devices.nvidia_driver", lambda: Driver((13, 1), ["A", "B"]))
    return cupy


def _exhausted():
    raise OutOfMemoryError("Out of memory allocating 8 bytes")


def on_cuda():
    return simulate(GEOMETRIES["any angles"], 20, 15, trials=2, device="cuda")


def without(monkeypatch, package):
    real = builtins.__import__

    def importing(name, *rest):
        if name.split(".")[0] == package:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)


def refuses_with(message):
    with pytest.raises(RuntimeError, match=message) as caught:
        on_cuda()
    assert "\n" not in str(caught.value)


def test_without_numba_cuda(fresh):
    without(fresh, "numba_cuda")
    refuses_with(r"device='cuda' needs the package numba-cuda .*: pip install \"w2s_fast\[cuda13\]\"")


def test_without_cupy(packages, monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy")
    without(monkeypatch, "cupy")
    refuses_with(r"device='cuda' needs the package cupy .*: pip install \"w2s_fast\[cuda13\]\"")


def test_without_a_driver(packages, monkeypatch):
    def missing():
        raise DriverError("no NVIDIA driver")

    monkeypatch.setattr("w2s_fast._devices.nvidia_driver", missing)
    refuses_with("device='cuda' needs an NVIDIA GPU: no NVIDIA driver")


def test_without_a_gpu(packages, monkeypatch):
    monkeypatch.setattr("w2s_fast._devices.nvidia_driver", lambda: Driver((13, 0), []))
    refuses_with("needs an NVIDIA GPU: the driver finds none")


def test_with_an_old_driver(packages, monkeypatch):
    monkeypatch.setattr("w2s_fast._devices.nvidia_driver", lambda: Driver((12, 8), ["A"]))
    refuses_with(r"the NVIDIA driver is too old: it runs CUDA 12.8, this needs 13.0 \(driver 580 or later\)")


def test_out_of_memory(packages):
    from w2s_fast.cuda import arrays

    with pytest.raises(MemoryError, match=r"the GPU is out of memory .Out of memory allocating 8 bytes.*row_blocks"):
        list(arrays.row_blocks([[1.0, 2.0]]))


def test_host_arrays_and_other_gpus_are_refused(packages):
    from w2s_fast.cuda import arrays

    with pytest.raises(TypeError, match=r"X must be an array on the GPU, got numpy.ndarray: copy it with cupy.asarray"):
        arrays.floats(np.ones((3, 2)), "X")
    with pytest.raises(ValueError, match=r"Y is on GPU 1, the current one is GPU 0: copy it there, or work under"):
        arrays.floats(DeviceArray(gpu=1), "Y")


def test_arrays_of_other_libraries_come_in(packages):
    from w2s_fast.cuda import arrays

    by_interface = types.SimpleNamespace(__cuda_array_interface__={})
    by_dlpack = types.SimpleNamespace(__dlpack_device__=lambda: (2, 0))
    for array in (by_interface, by_dlpack):
        assert isinstance(arrays.floats(array, "X", finite=False), DeviceArray)
    with pytest.raises(TypeError, match="X must be an array on the GPU"):
        arrays.floats(types.SimpleNamespace(__dlpack_device__=lambda: (1, 0)), "X")


def test_what_the_gpu_has(packages):
    from w2s_fast.cuda import _shim

    packages.asnumpy = lambda array: "copied"
    assert (_shim.multiprocessors(), _shim.free_bytes(), _shim.to_host(DeviceArray())) == (2, 10**6 + 5, "copied")


def test_launches_are_cut_to_the_machine(packages):
    from w2s_fast.cuda.trials import threads_for

    assert threads_for(1, 0, 132, 10**10) == 128
    assert threads_for(1000, 0, 132, 10**10) == 1024
    assert threads_for(10**6, 0, 132, 10**11) == 132 * 1024
    assert 128 < threads_for(10**6, 0, 132, 10**8) < 132 * 1024  # a quarter of what is free
    assert threads_for(10**6, 100, 132, 10**8) == 128


def test_code_is_kept_until_the_sources_change(packages, monkeypatch, tmp_path):
    from w2s_fast.cuda import _shim

    def dispatcher(enable_caching):
        files = types.SimpleNamespace(_data_name_pattern="kernel.{number:d}.nbc")
        kept = types.SimpleNamespace(_index_key=lambda *compiled: compiled, _cache_file=files)
        return types.SimpleNamespace(enable_caching=enable_caching, _cache=kept)

    def refuse():
        raise RuntimeError("cannot cache function")

    keys = []
    for text in ("a = 1", "a = 1", "a = 2"):
        (tmp_path / "source.py").write_text(text)
        monkeypatch.setattr(_shim.sources, "__path__", [str(tmp_path)])
        _shim._sources.cache_clear()
        keys.append(_shim.kernel(dispatcher(lambda: None))._cache._index_key("signature", "GPU"))
    assert keys[0][:2] == ("signature", "GPU")
    assert keys[0] == keys[1] != keys[2]
    without_a_place = dispatcher(refuse)
    assert _shim.kernel(without_a_place) is without_a_place
