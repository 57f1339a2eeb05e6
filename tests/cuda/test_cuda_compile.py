"""Every kernel compiles for real GPUs without one, all but one to code that spills no register and needs no stack."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import cuda_compiler

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(not cuda_compiler.FOUND, reason='needs numba-cuda and ptxas: pip install ".[cuda-test]"'),
]

LARGE, LARGEST_STACK = "run_trials", 1024  # a whole trial, which works in kilobytes of memory anyway


def compiled(architecture, *kernels):
    """Resource use of each kernel, compiled in a process of its own: device functions are compiled once a process."""
    program = [sys.executable, "-m", "tests.cuda_compiler", architecture, *kernels]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def spills_or_stack(report):
    """Bytes of both, over the kernel and the functions that it calls."""
    pattern = r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    return sum(int(size) for found in re.findall(pattern, report) for size in found)


def registers(report):
    return int(re.search(r"Used (\d+) registers", report).group(1))


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_no_other_kernel_spills_or_needs_a_stack(architecture):
    reports = compiled(architecture, *cuda_compiler.SIGNATURES)
    assert reports.keys() == cuda_compiler.SIGNATURES.keys()
    for name, report in reports.items():
        assert name == LARGE or not spills_or_stack(report), (name, report)
        assert registers(report) * 256 <= 2**16, name  # two blocks of 128 threads fit a multiprocessor
    stack = int(re.search(r"(\d+) bytes cumulative stack size", reports[LARGE]).group(1))
    assert stack <= LARGEST_STACK
    functions = set(re.findall(r"kernels\d+\w*?(?:small|draws)\d+([a-z_]+)B", reports[LARGE]))
    assert {"triangle", "solve_upper", "staircase", "next_chi"} <= functions  # else it takes minutes to compile


def test_every_kernel_is_compiled_here():
    source = (Path(__file__).parents[2] / "w2s_fast" / "cuda" / "kernels.py").read_text(encoding="utf-8")
    assert set(re.findall(r"@kernel\ndef (\w+)", source)) == {name.split(":")[0] for name in cuda_compiler.SIGNATURES}


def test_the_check_can_fail():
    (report,) = compiled("sm_90", "spilling").values()
    assert spills_or_stack(report)
