"""What a study file may hold: types and ranges of every field, since rows with right checksums can be anybody's."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_fast._check import LARGEST_COUNT

MOST_PLACES = 2**24  # scenarios times points times seeds
LONGEST_TEXT = 10_000
SHA256 = re.compile("[0-9a-f]{64}")
STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+:.\d]*")


def whole(value: Any, what: str, least: int = 0) -> int:
    """Refuse what is no whole number from ``least`` on."""
    if type(value) is not int or not least <= value <= LARGEST_COUNT:
        raise ValueError(f"{what} must be a whole number, at least {least}, got {shown(value)}")
    return value


def number(value: Any, what: str, least: float = -math.inf) -> float:
    """Refuse what is no finite number from ``least`` on."""
    if type(value) not in (int, float) or not math.isfinite(value) or value < least:
        raise ValueError(f"{what} must be a finite number, got {shown(value)}")
    return float(value)


def text(value: Any, what: str) -> str:
    """Refuse what is no text, or too long a one."""
    if type(value) is not str or len(value) > LONGEST_TEXT:
        raise ValueError(f"{what} must be text, got {shown(value)}")
    return value


def digest(value: Any) -> str:
    """Refuse what is no SHA-256."""
    if not SHA256.fullmatch(text(value, "sha256")):
        raise ValueError(f"sha256 must be 64 digits, got {shown(value)}")
    return str(value)


def of_names(about: Mapping[str, Any], description: type[Any]) -> dict[str, Any]:
    """Refuse a description that misses fields of a dataclass, or has others."""
    names = {field.name for field in dataclasses.fields(description)}
    if about.keys() != names:
        raise ValueError(f"a setting must have {', '.join(sorted(names))}, got {shown(sorted(about))}")
    return dict(about)


def run(content: Any) -> dict[str, Any]:
    """Fields of a run."""
    found = json_object(content, "run")
    if not STARTED.fullmatch(text(found.get("started"), "started")):
        raise ValueError(f"started must be a time, got {shown(found['started'])}")
    number(found.get("seconds"), "seconds", 0.0)
    whole(found.get("trials"), "trials")
    versions = found.get("versions")
    if not isinstance(versions, dict):
        raise ValueError(f"versions must be an object, got {shown(versions)}")
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


def json_object(content: Any, what: str) -> dict[str, Any]:
    """Read a JSON object."""
    found = json.loads(content) if type(content) is str else None
    if not isinstance(found, dict):
        raise ValueError(f"its {what} must be a JSON object, got {shown(content)}")
    return found


def filled(value: Any, what: str) -> list[Any]:
    """Refuse what is no list, or an empty one."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"{what} must be a list of something, got {shown(value)}")
    return value


def shown(value: Any) -> str:
    """Write a value in a message, of no length that it chooses."""
    found = repr(value)
    return found if len(found) <= 80 else found[:80] + "..."
