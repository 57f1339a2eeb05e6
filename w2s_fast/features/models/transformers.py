"""Encoders of transformers, of text and of images, in a folder, by name, or in memory."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from w2s_fast.features.batches import is_out_of_memory
from w2s_fast.features.models import hub
from w2s_fast.features.models import torch as shared
from w2s_fast.features.models.base import FEATURES, LOGITS, Array, Features, Loaded, Reading

LONGEST = 100_000  # tokens: tokenizers say 1e30 where they know no limit
IN_A_BLOCK = 12  # times the hidden state: queries, keys, values, what is four times as wide, and sums
SIGHT = ("vision_model", "visual")
TOWERS = {"text": ("text_model",), "image": SIGHT, "array": SIGHT}  # of models that have one for each
PREPARING = {"text": "tokenizer", "image": "image processor"}


class Encoder(NamedTuple):
    """A network and what prepares its input, a tokenizer or an image processor."""

    network: Any
    prepare: Any


def recognises(model: Any) -> bool:
    """Whether it is a name or a folder, a network of transformers, or a pair of it and what prepares its input."""
    if isinstance(model, str | os.PathLike):
        return True
    network = model[0] if isinstance(model, tuple) and len(model) == 2 else model
    return any(kind.__module__.startswith("transformers.") for kind in type(network).__mro__)


def load(model: Any, reading: Reading, kind: str, subfolder: str = "", revision: str | None = None) -> Loaded:
    """Load a network and its tokenizer or image processor, of a repository from a subfolder and commit if named."""
    name = ""
    if isinstance(model, str | os.PathLike):
        name, revision = os.fspath(model), revision or hub.revision_of(model)
        encoder = opened(name, reading, kind, subfolder, revision)
    else:
        encoder = Encoder(*model) if isinstance(model, tuple) else Encoder(model, None)
    network = encoder.network if reading.logits else _tower(encoder.network, kind)
    about = {
        "kind": "transformers",
        "name": name or type(network).__name__,
        "class": type(network).__name__,
        "revision": revision or getattr(network.config, "_commit_hash", None),
        "weights": shared.weights_sum(network),
        "input": described(encoder.prepare),
    }
    versions = shared.versions("transformers", "tokenizers")
    if kind == "text":
        texts = Texts(network, _padding(encoder.prepare), reading)
        runs = shared.runs_on(reading.where, network)
        if reading.logits:
            runs["session"] = partial(_padding_told, network, texts.tokenizer, runs["session"])
        return Loaded(("text",), about, texts.embed, texts.lengths, texts.unit_bytes, versions=versions, **runs)

    dtype = next(network.parameters()).dtype

    def embed(items: list[Any]) -> Features:
        with shared.inference(reading.where):
            if kind == "image":
                pixels = encoder.prepare(images=[image.convert("RGB") for image in items], return_tensors="pt")
                values = pixels["pixel_values"].to(reading.where, dtype)
            else:
                values = shared.stacked(items, reading.where).to(dtype)
            output = called(network, f"{kind}s", reading, pixel_values=values)
            return features_of(output, None, reading)

    takes = ("image", "array") if encoder.prepare is not None else ("array",)
    runs = shared.runs_on(reading.where, network, shared.IMAGE_BATCH)
    return Loaded(takes, about, embed, versions=versions, **runs)


class Texts:
    """A network of texts: tokenized once for their lengths and once for the batch they are in."""

    def __init__(self, network: Any, tokenizer: Any, reading: Reading) -> None:
        self.network, self.tokenizer, self.reading = network, tokenizer, reading
        self.one_at_a_time = threading.Lock()  # a tokenizer remembers how it was last asked to cut and pad
        self.most = reading.max_tokens or min(tokenizer.model_max_length, _places(network), LONGEST)
        self.masks = "attention_mask" in tokenizer.model_input_names
        if not self.masks and self.most == LONGEST:
            raise ValueError(f"{type(network).__name__} takes texts filled up to one length: say which as max_tokens")

    @property
    def unit_bytes(self) -> int:
        """What a token takes: hidden states of all layers if they are read, and some that a block works with."""
        config = self.network.config
        layers = getattr(config, "num_hidden_layers", 0) if self.reading.layers is not None else 0
        return 4 * (layers + IN_A_BLOCK) * int(getattr(config, "hidden_size", 0))

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        if not self.masks:
            return [self.most] * len(texts)
        with self.one_at_a_time:
            encoded = self.tokenizer(list(texts), truncation=True, max_length=self.most, padding=False)
        return [len(tokens) for tokens in encoded["input_ids"]]

    def embed(self, texts: list[str]) -> Features:
        # Without a mask the network cannot tell padding: it has seen all texts filled up to one length (SigLIP, FNet).
        padding = True if self.masks else "max_length"
        with self.one_at_a_time:
            batch = self.tokenizer(texts, padding=padding, truncation=True, max_length=self.most, return_tensors="pt")
        batch = batch.to(self.reading.where)
        with shared.inference(self.reading.where):
            output = called(self.network, "texts", self.reading, **batch)
            return features_of(output, batch.get("attention_mask"), self.reading)


def called(network: Any, items: str, reading: Reading, **inputs: Any) -> Any:
    """Call a network; ValueError where it wants more than such items, or has no head and logits are asked for."""
    try:
        output = network(**inputs, output_hidden_states=reading.layers is not None)
    except (TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        explanation = None if is_out_of_memory(error) else _explanation(error, network, items, reading)
        if explanation is None:
            raise
        raise ValueError(explanation) from error
    if reading.logits and getattr(output, "logits", None) is None:
        raise ValueError(f"model, {type(network).__name__}, has no head: leave logits out, or name a classifier")
    return output


def _explanation(error: Exception, network: Any, items: str, reading: Reading) -> str | None:
    """Say in one line why a network did not take what it was given; None where its library says it best."""
    name, said, places = type(network).__name__, " ".join(str(error).split())[:200], _places(network)
    if (reading.max_tokens or 0) > places:
        return f"max_tokens must be at most {places:,}, the places of {name}, got {reading.max_tokens:,}"
    if isinstance(error, IndexError):
        return f"model, {name}, has fewer tokens than its tokenizer: give one that belongs to it ({said})"
    if isinstance(error, RuntimeError):
        return None
    how = "leave logits out, or name a classifier" if reading.logits else "pass a function of a list of them"
    return f"model, {name}, does not take {items} alone: {how} ({said})"


def features_of(output: Any, mask: Any, reading: Reading) -> Features:
    """Read hidden states, what the network gives at its end, or logits."""
    how = reading.pooling or "mean"
    if reading.logits:
        return {LOGITS: _row(output.logits, mask, how)}
    if reading.layers is None:
        return {FEATURES: _row(output.last_hidden_state, mask, how)}
    states = output.hidden_states
    layers = reading.chosen(range(len(states)))
    return reading.named(layers, [_row(states[layer], mask, how) for layer in layers])


def _row(states: Any, mask: Any, how: str) -> Array:
    half = shared.library().finfo(states.dtype).bits < 32  # sums of half floats lose what the mean is made of
    return shared.to_numpy(shared.pooled(states.float() if half else states, mask, how))


def opened(name: str, reading: Reading, kind: str, subfolder: str = "", revision: str | None = None) -> Encoder:
    """Read the network and what prepares its input from a folder, or by name from a hub."""
    with shared.needed("transformers"):
        import transformers
    inside = {key: value for key, value in (("subfolder", subfolder), ("revision", revision)) if value}
    with quiet(transformers), explained(name):
        config = transformers.AutoConfig.from_pretrained(name, **inside)
        made = transformers.AutoModel
        if reading.logits:
            heads = getattr(config, "architectures", None) or [""]
            made = getattr(transformers, heads[0], None)
            if made is None:
                raise ValueError("it names no class with a head: save one with save_pretrained")
        network = made.from_pretrained(name, **_as_saved(transformers), **inside)
    prepare = None
    with quiet(transformers), explained(name, PREPARING.get(kind)):
        if kind == "text":
            prepare = transformers.AutoTokenizer.from_pretrained(name, **inside)
        elif kind == "image":
            prepare = transformers.AutoImageProcessor.from_pretrained(name, **inside)
    return Encoder(network, prepare)


def _as_saved(transformers: Any) -> dict[str, str]:
    """The argument that keeps numbers of weights as they are saved, by the name that this version has for it."""
    version = tuple(map(int, transformers.__version__.split(".")[:2]))
    return {"dtype" if version >= (4, 56) else "torch_dtype": "auto"}


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Silence the library's progress bars and warnings, and leave its settings as they were."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def explained(name: str, part: str | None = None) -> Iterator[None]:
    """Make one line of what is raised for a model, or a part of it, that is not there or lacks a library."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        said = " ".join(str(error).split())[:300]
        if isinstance(error, ImportError):
            raise ImportError(f"model {name!r} needs a library that is missing: {said}") from None
        if part is not None:
            raise ValueError(
                f"model {name!r} has no {part} for such data: take a model that has one, or save it beside the "
                f"weights with save_pretrained ({said})"
            ) from None
        where = "the folder" if Path(name).is_dir() else "neither a folder nor a model that can be fetched"
        raise ValueError(f"model {name!r}, {where}, cannot be loaded: {said}") from None


def _tower(network: Any, kind: str) -> Any:
    """The part that takes such items: an encoder without its decoder, or one tower of two."""
    halves = [getattr(network, half, None) is not None for half in ("encoder", "decoder")]
    is_saved_alone = kind == "text" and all(halves)  # an encoder whose configuration says nothing of a decoder
    if is_saved_alone or getattr(network.config, "is_encoder_decoder", False):
        return network.get_encoder()
    for tower in TOWERS.get(kind, ()):
        if hasattr(network, "text_model") and hasattr(network, tower):
            return getattr(network, tower)
    return network


def _places(network: Any) -> int:
    """Tokens that a network has places for: RoBERTa's are counted from behind the number of its padding."""
    places = int(getattr(network.config, "max_position_embeddings", None) or LONGEST)
    for name, part in network.named_modules():
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            places = min(places, part.num_embeddings - part.padding_idx - 1)
    return places


@contextlib.contextmanager
def _padding_told(network: Any, tokenizer: Any, session: Any) -> Iterator[None]:
    """Surround batches of a head, which reads the last token that is no padding: its configuration says which is."""
    config = network.config.get_text_config()
    before = getattr(config, "pad_token_id", None)
    config.pad_token_id = tokenizer.pad_token_id
    try:
        with session():
            yield
    finally:
        config.pad_token_id = before


def _padding(tokenizer: Any) -> Any:
    """A tokenizer of our own that pads behind the text, by the end of a text where it has no token for padding."""
    if tokenizer is None:
        raise ValueError("data holds text: give a model in memory as a pair (network, tokenizer)")
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def described(prepare: Any) -> dict[str, Any] | None:
    """Name a tokenizer or an image processor, with a checksum of all that it is made of."""
    if prepare is None:
        return None
    backend = getattr(prepare, "backend_tokenizer", None)
    if backend is not None:
        content = _without_state(json.loads(backend.to_str()))
    elif hasattr(prepare, "get_vocab"):
        content = prepare.get_vocab()
    else:
        content = prepare.to_dict()
    text = json.dumps(content, sort_keys=True, default=str)
    return {"class": type(prepare).__name__, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _without_state(backend: dict[str, Any]) -> dict[str, Any]:
    """What a tokenizer is, less the padding and cuts that it was last asked for."""
    return {name: value for name, value in backend.items() if name not in ("padding", "truncation")}
