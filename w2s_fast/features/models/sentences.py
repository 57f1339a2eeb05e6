"""Models of sentence-transformers: an encoder of transformers, how its tokens are pooled, and rows of length one.

They are read without their library. What has further parts, such as dense layers, needs it: give its ``encode``.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from w2s_fast.features.models import hub, transformers
from w2s_fast.features.models import torch as shared
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
ENCODERS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")  # in names of its file


def recognises(model: Any) -> bool:
    """Whether it is a folder, or a repository of a hub, with a list of modules."""
    return isinstance(model, str | os.PathLike) and hub.file_of(model, LIST) is not None


def doubt(model: Any) -> str | None:
    """Say that a repository may be one of these, and is not read as one."""
    if not isinstance(model, str | os.PathLike) or not hub.may_lack(model, LIST):
        return None
    return (
        f"{os.fspath(model)!r} is read as a plain encoder: its {LIST}, which models of sentence-transformers have, is "
        f"not in the cache, and the hub cannot be asked; say transformers:{os.fspath(model)} if it has none"
    )


def load(model: Any, reading: Reading, kind: str) -> Loaded:
    """Load the encoder of texts, with the pooling and length that the model says where none are asked for."""
    name, revision = os.fspath(model), hub.revision_of(model, LIST)
    listed = hub.file_of(name, LIST, revision)
    if listed is None:
        raise ValueError(f"model {name!r} must be of sentence-transformers, a folder or a name of a hub, with {LIST}")
    parts = {part["type"].rpartition(".")[2]: part["path"] for part in json.loads(listed.read_text(encoding="utf-8"))}
    if others := [part for part in parts if part not in KNOWN]:
        raise ValueError(f"model {name!r} has a part {others[0]!r}: pass the encode of its own library as model")
    encoder, config = parts["Transformer"], partial(_config, name, revision)
    limits: dict[str, Any] = next(
        filter(None, (config(encoder, f"sentence_{written_for}_config.json") for written_for in ENCODERS)), {}
    )
    pooling = config(parts["Pooling"], "config.json") if "Pooling" in parts else {}
    found = replace(
        reading,
        pooling=reading.pooling or _pooling(pooling),
        max_tokens=reading.max_tokens or limits.get("max_seq_length"),
    )
    place, inside = (name, encoder) if revision else (Path(name) / encoder, "")
    loaded = transformers.load(place, found, kind, inside, revision)
    normalises = "Normalize" in parts and reading.layers is None and not reading.logits
    about = {**loaded.about, "kind": "sentence-transformers", "name": str(model)}
    about |= {"pooling": found.pooling, "max_tokens": found.max_tokens, "normalises": normalises}
    changes = _changes(name, config("", "config_sentence_transformers.json"), limits, pooling)
    torch = shared.library()

    def changed(items: list[Any]) -> list[Any]:
        texts = [f"{changes.get('prompt', '')}{text}".strip() for text in items]
        return [text.lower() for text in texts] if "lowercase" in changes else texts

    def embed(items: list[Any]) -> Features:
        features = loaded.embed(changed(items))
        if not normalises:
            return features
        rows = torch.from_numpy(features[FEATURES])
        return {FEATURES: torch.nn.functional.normalize(rows, dim=1).numpy()}  # as theirs, to the last bit

    own_lengths = loaded.lengths
    lengths = None if own_lengths is None else lambda items: own_lengths(changed(items))
    return replace(loaded, about=about | changes, embed=embed, lengths=lengths)


def _changes(name: str, own: dict[str, Any], limits: dict[str, Any], pooling: dict[str, Any]) -> dict[str, Any]:
    """What is done to a text beside taking blanks off its ends: a prompt in front, small letters."""
    prompt = (own.get("prompts") or {}).get(own.get("default_prompt_name"))
    if prompt and not pooling.get("include_prompt", True):
        raise ValueError(
            f"model {name!r} leaves its prompt out of the mean: pass the encode of its own library as model"
        )
    return ({"prompt": prompt} if prompt else {}) | ({"lowercase": True} if limits.get("do_lower_case") else {})


def _pooling(config: dict[str, Any]) -> str:
    """Return our name of what a folder says of pooling, in either format: a name, or a truth value for each."""
    asked = [config["pooling_mode"]] if "pooling_mode" in config else []
    asked += [key.removeprefix(MODE) for key, value in config.items() if key.startswith(MODE) and value is True]
    if len(asked) > 1 or not set(asked) <= POOLINGS.keys():
        raise ValueError(f"the model pools by {', '.join(map(str, asked))}: say mean, cls or last as pooling")
    return POOLINGS[asked[0]] if asked else "mean"


def _config(name: str, revision: str | None, part: str, file: str) -> Any:
    found = hub.file_of(name, f"{part}/{file}" if part else file, revision)
    return {} if found is None else json.loads(found.read_text(encoding="utf-8"))
