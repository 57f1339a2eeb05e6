"""What a study file may hold: types and ranges of every field, since rows with right checksums can be anybody's."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import LARGEST_COUNT
from w2s_fast.results.metrics import ACCURACIES, DIFFERENCES, FITS, METRICS
from w2s_fast.results.trials import ILL_CONDITIONED
from w2s_fast.study.setting import PARTS

MOST_PLACES = 2**24  # settings times points times seeds
LONGEST_TEXT = 10_000
METHODS = ("wishart", "philox", "direct")
KINDS = {"gaussian": PARTS, "features": tuple(ILL_CONDITIONED.values())}  # with the columns of each alone
ALWAYS = {*FITS, *DIFFERENCES, "pgr", "opr"}  # columns of every study; later metrics are those of later files
GAUSSIAN = ("d_shared", "rho_weak", "rho_strong", "noise_variance")  # of a model, beside its dimensions
SPEC = {"title", "n", "N", "settings", "columns", "keep_trials"}
SHA256 = re.compile("[0-9a-f]{64}")
STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+:.\d]*")


def whole(value: Any, what: str, least: int = 0) -> int:
    """Refuse what is no whole number from ``least`` on."""
    if type(value) is not int or not least <= value <= LARGEST_COUNT:
        raise ValueError(f"{what} must be a whole number, at least {least}, got {_short(value)}")
    return value


def number(value: Any, what: str, least: float = -math.inf) -> float:
    """Refuse what is no finite number from ``least`` on."""
    if type(value) not in (int, float) or not math.isfinite(value) or value < least:
        raise ValueError(f"{what} must be a finite number, got {_short(value)}")
    return float(value)


def text(value: Any, what: str) -> str:
    """Refuse what is no text, or too long a one."""
    if type(value) is not str or len(value) > LONGEST_TEXT:
        raise ValueError(f"{what} must be text, got {_short(value)}")
    return value


def spec(content: Any) -> dict[str, Any]:
    """Fields of a spec."""
    found = _object(content, "spec")
    if found.keys() != SPEC:
        raise ValueError(f"its spec must have {', '.join(sorted(SPEC))}, got {_short(sorted(found))}")
    text(found["title"], "title")
    for name in ("n", "N"):
        for size in _filled(found[name], name):
            whole(size, name, 1)
    points = set(zip(found["n"], found["N"], strict=True))
    if len(points) < len(found["n"]):
        raise ValueError("its spec has a point twice")
    settings = [_setting(about) for about in _filled(found["settings"], "settings")]
    if any(about.keys() != settings[0].keys() or about["kind"] != settings[0]["kind"] for about in settings):
        raise ValueError("its settings are of several kinds")
    _require_columns(_filled(found["columns"], "columns"), settings[0]["kind"])
    if type(found["keep_trials"]) is not bool:
        raise ValueError(f"keep_trials must be true or false, got {_short(found['keep_trials'])}")
    return found


def _require_columns(columns: list[Any], kind: str) -> None:
    """Refuse columns that no study of that kind has, in the order that it has them."""
    accuracies = ACCURACIES if kind == "features" and any(name in columns for name in ACCURACIES) else ()
    possible = (*METRICS, *DIFFERENCES, *KINDS[kind], *accuracies)
    needed = {*ALWAYS, *KINDS[kind], *accuracies}
    if columns != [name for name in possible if name in columns] or not needed <= set(columns):
        raise ValueError(f"its columns must be those of a study, got {_short(columns)}")


def _setting(about: Any) -> dict[str, Any]:
    if not isinstance(about, dict) or about.get("kind") not in KINDS:
        raise ValueError(f"a setting must be of a kind of {', '.join(KINDS)}, got {_short(about)}")
    for name, value in about.items():
        if type(value) not in (int, float, bool, str):
            raise ValueError(f"{_short(name)} of a setting must be a number or a word, got {_short(value)}")
    for name in ("d_weak", "d_strong"):
        whole(about.get(name), name)
    names = (
        ("ridge", "d_shared", "rho_weak", "rho_strong", "noise_variance") if about["kind"] == "gaussian" else ("ridge",)
    )
    for name in names:
        number(about.get(name), name, 0.0)
    if not SHA256.fullmatch(text(about.get("sha256"), "sha256")):
        raise ValueError(f"sha256 must be 64 digits, got {_short(about['sha256'])}")
    if about.get("method", METHODS[0]) not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {_short(about['method'])}")
    return about


def run(content: Any) -> dict[str, Any]:
    """Fields of a run."""
    found = _object(content, "run")
    if not STARTED.fullmatch(text(found.get("started"), "started")):
        raise ValueError(f"started must be a time, got {_short(found['started'])}")
    number(found.get("seconds"), "seconds", 0.0)
    whole(found.get("trials"), "trials")
    versions = found.get("versions")
    if not isinstance(versions, dict):
        raise ValueError(f"versions must be an object, got {_short(versions)}")
    for name, version in versions.items():
        text(version, name)
    return found


def place(seed: Any, place: Any, seeds: Collection[int], places: int) -> None:
    """Refuse a row of a seed or a place that the study does not have."""
    if whole(seed, "seed") not in seeds or whole(place, "place") >= places:
        raise ValueError(f"it has no seed {seed} or no place {place}")


def values(blob: Any, columns: Sequence[str], what: str) -> npt.NDArray[np.float64]:
    """Rows of float64, one a trial or two of moments."""
    if type(blob) is not bytes or not blob or len(blob) % (8 * len(columns)):
        raise ValueError(f"{what} must be rows of {len(columns)} numbers")
    return np.frombuffer(blob, "<f8").reshape(-1, len(columns))


def _object(content: Any, what: str) -> dict[str, Any]:
    found = json.loads(content) if type(content) is str else None
    if not isinstance(found, dict):
        raise ValueError(f"its {what} must be a JSON object, got {_short(content)}")
    return found


def _filled(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{what} must be a list of something, got {_short(value)}")
    return value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:80] + "..."
