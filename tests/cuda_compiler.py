"""Compile kernels to PTX and through ptxas, no GPU needed: ``python -m tests.cuda_compiler sm_90 run_trials``."""

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

SIGNATURES = {  # numba's types of the arguments; where a kernel takes float32 and float64, one of each
    "run_trials": "t(u, 2), i, d, d, t(d, 5), t(i, 2), m, v, m, t(d[:, :, ::1], 14), m",
    "fill_normals": "u, u, i, i, v",
    "fill_words": "u, u, i, i, u[::1]",
    "fill_signs:float32": "i, u, f[:, ::1]",
    "fill_signs:float64": "i, u, m",
    "part_moments:float32": "f[:, ::1], i, d[:, :, ::1]",
    "part_moments:float64": "m, i, d[:, :, ::1]",
    "add_runs:float32": "f[:, ::1], i, i, i, i, u, f[:, :, ::1]",
    "add_runs:float64": "m, i, i, i, i, u, d[:, :, ::1]",
    "merge_parts": "i, i, d[:, :, ::1], i, m",
}


def ptxas():
    """Find the assembler: of the toolkit's wheels, or on the path; None where there is none."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations if spec else ():
        for path in Path(folder).glob("cu13/bin/ptxas"):
            return str(path)
    return shutil.which("ptxas")


FOUND = bool(importlib.util.find_spec("numba_cuda") and ptxas())
if FOUND:
    from numba import cuda, types


def spilling(out):
    """More numbers than there are registers, in an array whose index the compiler does not know."""
    kept = cuda.local.array(400, out.dtype)
    for i in range(400):
        kept[i] = out[i]
    for i in range(400):
        out[i] = kept[int(out[i]) % 400]


def report_of(name, architecture):
    """Tell what ptxas says of a kernel."""
    from w2s_fast.cuda import kernels

    function = name.split(":")[0]
    i, u, f, d = types.int64, types.uint64, types.float32, types.float64
    letters = {"i": i, "u": u, "f": f, "d": d, "v": d[::1], "m": d[:, ::1], "t": types.UniTuple}
    kernel = getattr(kernels, function).py_func if function != "spilling" else spilling
    signature = eval(f"({SIGNATURES.get(name, 'v')},)", letters)
    capability = int(architecture[3:]) // 10, int(architecture[3:]) % 10
    # A kernel's device functions are compiled for the current device: let there be one.
    device = SimpleNamespace(compute_capability=capability)
    with mock.patch("numba.cuda.dispatcher.get_current_device", return_value=device):
        ptx, _ = cuda.compile(kernel, signature, device=False, abi="numba", cc=capability)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        command = [ptxas(), "-v", f"-arch={architecture}", str(source), "-o", str(source.with_suffix(".cubin"))]
        return subprocess.run(command, check=True, capture_output=True, text=True).stderr


if __name__ == "__main__":
    print(json.dumps({name: report_of(name, sys.argv[1]) for name in sys.argv[2:]}))
