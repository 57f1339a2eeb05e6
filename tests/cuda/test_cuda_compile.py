"""Every kernel compiles for real GPUs without one, to machine code that spills no register and needs no stack."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import cuda_compiler

pytestmark = pytest.mark.skipif(
    not cuda_compiler.FOUND, reason='needs numba-cuda and ptxas: pip install ".[cuda-test]"'
)


def compiled(architecture, *kernels):
    """Resource use of each kernel, compiled in a process of its own: device functions are compiled once a process."""
    program = [sys.executable, "-m", "tests.cuda_compiler", architecture, *kernels]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def spills_or_stack(report):
    found = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    return any(map(int, found.groups()))


def registers(report):
    return int(re.search(r"Used (\d+) registers", report).group(1))


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_no_kernel_spills_or_needs_a_stack(architecture):
    reports = compiled(architecture, *cuda_compiler.SIGNATURES)
    assert reports.keys() == cuda_compiler.SIGNATURES.keys()
    for name, report in reports.items():
        assert not spills_or_stack(report), (name, report)
        assert registers(report) * 256 <= 2**16, name  # two blocks of 128 threads fit a multiprocessor


def test_every_kernel_is_compiled_here():
    source = (Path(__file__).parents[2] / "w2s_fast" / "cuda" / "kernels.py").read_text(encoding="utf-8")
    assert set(re.findall(r"@kernel\ndef (\w+)", source)) == {name.split(":")[0] for name in cuda_compiler.SIGNATURES}


def test_the_check_can_fail():
    (report,) = compiled("sm_90", "spilling").values()
    assert spills_or_stack(report)
