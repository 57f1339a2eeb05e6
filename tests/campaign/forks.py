"""Processes that fork while other threads are in the middle of calls."""

from __future__ import annotations

import threading
import time
import warnings
from pathlib import Path

import numpy as np

from tests.campaign.children import Child
from tests.campaign.interrupts import CALLS

NAMES = [*CALLS]


def forked_calls(rng: np.random.Generator, _: Path) -> str:
    """Fork amid other threads' calls; the child's calls, and the parent's after, give the bits they always give."""
    one, other, third = (CALLS[NAMES[int(number)]] for number in rng.integers(len(NAMES), size=3))
    expected, stop = np.asarray(other()).tobytes(), threading.Event()

    def busy() -> None:
        while not stop.is_set():
            one()

    threads = [threading.Thread(target=busy, daemon=True) for _ in range(rng.integers(1, 4))]
    for thread in threads:
        thread.start()
    try:
        time.sleep(rng.uniform(0, 0.02))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of forks beside threads; that they go well is the question
            child = Child(lambda: (np.asarray(other()).tobytes(), np.asarray(third()).shape))
        third()
        end = child.end()
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a thread hangs"
    if end.error is not None:
        raise end.error
    assert not end.signal, f"the child was killed by signal {end.signal}"
    assert end.value[0] == expected, "other bits in the child"
    assert np.asarray(other()).tobytes() == expected, "other bits in the parent"
    return "the same bits"


ATTACKS = {"forks": forked_calls}
