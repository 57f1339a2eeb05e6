"""Folders of sentence-transformers: an encoder of transformers, how its tokens are pooled, and rows of length one.

They are read without their library. What has further parts, such as dense layers, needs it: give its ``encode``.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from w2s_fast.features.models import torch as shared
from w2s_fast.features.models import transformers
from w2s_fast.features.models.base import FEATURES, Features, Loaded, Reading

LIST = "modules.json"
KNOWN = ("Transformer", "Pooling", "Normalize")
MODE = "pooling_mode_"
POOLINGS = {
    "mean": "mean",
    "mean_tokens": "mean",
    "cls": "cls",
    "cls_token": "cls",
    "lasttoken": "last",
}  # theirs: ours


def recognises(model: Any) -> bool:
    """Whether it is a folder with a list of modules."""
    return isinstance(model, str | os.PathLike) and (Path(model) / LIST).is_file()


def load(model: Any, reading: Reading, kind: str) -> Loaded:
    """Load the encoder, with the folder's pooling and length where none are asked for."""
    folder = Path(model)
    if not (folder / LIST).is_file():
        raise ValueError(f"model {str(folder)!r} must be a folder of sentence-transformers, with {LIST}")
    parts = {part["type"].rpartition(".")[2]: folder / part["path"] for part in _json(folder / LIST)}
    if others := [name for name in parts if name not in KNOWN]:
        raise ValueError(f"model {str(folder)!r} has a part {others[0]!r}: pass the encode of its own library as model")
    encoder = parts["Transformer"]
    limits = _json(encoder / "sentence_bert_config.json")
    found = replace(
        reading,
        pooling=reading.pooling or _pooling(_json(parts["Pooling"] / "config.json") if "Pooling" in parts else {}),
        max_tokens=reading.max_tokens or limits.get("max_seq_length"),
    )
    loaded = transformers.load(encoder, found, kind)
    normalises = "Normalize" in parts and reading.layers is None and not reading.logits
    about = {**loaded.about, "kind": "sentence-transformers", "name": str(model)}
    about |= {"pooling": found.pooling, "max_tokens": found.max_tokens, "normalises": normalises}
    if not normalises:
        return replace(loaded, about=about)
    torch = shared.library()

    def embed(items: list[Any]) -> Features:
        rows = torch.from_numpy(loaded.embed(items)[FEATURES])
        return {FEATURES: torch.nn.functional.normalize(rows, dim=1).numpy()}  # as theirs, to the last bit

    return replace(loaded, about=about, embed=embed)


def _pooling(config: dict[str, Any]) -> str:
    """Return our name of what a folder says of pooling, in either format: a name, or a truth value for each."""
    asked = [config["pooling_mode"]] if "pooling_mode" in config else []
    asked += [key.removeprefix(MODE) for key, value in config.items() if key.startswith(MODE) and value is True]
    if len(asked) > 1 or not set(asked) <= POOLINGS.keys():
        raise ValueError(f"the model pools by {', '.join(map(str, asked))}: say mean, cls or last as pooling")
    return POOLINGS[asked[0]] if asked else "mean"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
