"""Devices other than the CPU: which module serves one, loaded when the device is asked for.

The one place where lower layers reach a higher one. It names modules, as ``w2s_fast/__init__`` names the public ones,
and imports none by itself, so that who stays on the CPU never loads them.
"""

from __future__ import annotations

import importlib
from typing import Any

CPU = "cpu"
TRIALS = {"cuda": "w2s_fast.cuda.trials"}  # modules with run_trials, as w2s_fast.model.simulate calls it


def trial_runner(device: str) -> Any:
    """Return ``run_trials`` of the device; RuntimeError in one line where something it needs is missing."""
    return importlib.import_module(TRIALS[device]).run_trials
