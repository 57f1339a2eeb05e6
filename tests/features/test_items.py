"""Texts, images, arrays and labels in whatever they come. No torch."""

import csv
import json
import re

import numpy as np
import pytest

from w2s_fast.features.items import read

TEXTS = ["good", "a, b", 'with "quotes"', "two\nlines", "é"]
LABELS = ["pos", "neg", "pos", "neg", "mid"]


def write(path):
    """A table of texts, labels and scores."""
    rows = [
        {"text": text, "label": label, "score": score}
        for score, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    ]
    if path.suffix in (".csv", ".tsv"):
        import csv

        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="," if path.suffix == ".csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        arrow = pytest.importorskip("pyarrow")
        table = arrow.Table.from_pylist(rows)
        if path.suffix == ".parquet":
            pytest.importorskip("pyarrow.parquet").write_table(table, path)
        elif path.suffix == ".feather":
            pytest.importorskip("pyarrow.feather").write_feather(table, path)
        else:
            with arrow.OSFile(str(path), "wb") as file, arrow.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".feather", ".arrow"])
def test_tables(tmp_path, suffix):
    path = write(tmp_path / f"rows{suffix}")
    items = read(path, "text", "label")
    assert (items.kind, items.at(0, 9)) == ("text", TEXTS)
    assert items.classes == ("mid", "neg", "pos")
    np.testing.assert_array_equal(items.labels, [2, 1, 2, 1, 0])
    assert items.checksum() == read(TEXTS).checksum()
    np.testing.assert_array_equal(read(path, "text", "score").labels, np.arange(5.0))
    for column, labels, words in (
        ("body", None, "column must be one of 'text', 'label', 'score', got 'body'"),
        ("text", "stars", "labels must be one of 'text', 'label', 'score', got 'stars'"),
        (None, None, "column must name one of 'text', 'label', 'score'"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            read(path, column, labels)


def test_lines_lists_and_arrays(tmp_path):
    (tmp_path / "rows.txt").write_text("one\ntwo\n", encoding="utf-8")
    assert read(tmp_path / "rows.txt").at(1, 5) == ["two"]
    np.save(tmp_path / "X.npy", np.arange(12.0).reshape(3, 4))
    for data in (tmp_path / "X.npy", np.arange(12.0).reshape(3, 4)):
        items = read(data)
        assert (items.kind, len(items)) == ("array", 3)
        np.testing.assert_array_equal(items.at(1, 2)[0], [4, 5, 6, 7])
    assert read([(1, "a"), (2, "b")]).kind == "other"
    assert len({read(rows).checksum() for rows in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["ab", "c", ""])}) == 4


def test_folders_of_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "b").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (3, 5, 6, 3)).astype(np.uint8)
    for name, one in zip(("b/2.png", "a.PNG", "b/10.png"), pixels, strict=True):
        image.fromarray(one).save(tmp_path / name, format="png")
    (tmp_path / "notes.md").write_text("no image")
    items = read(tmp_path)
    assert (items.kind, items.ids) == ("image", ["a.PNG", "b/10.png", "b/2.png"])
    np.testing.assert_array_equal([np.asarray(one) for one in items.at(0, 3)], pixels[[1, 2, 0]])
    before = items.checksum()
    (tmp_path / "a.PNG").write_bytes(b"damaged")
    assert read(tmp_path).checksum() != before
    with pytest.raises(ValueError, match=r"the image '.*a\.PNG' cannot be read"):
        items.at(0, 1)
    assert read([image.fromarray(one) for one in pixels]).kind == "image"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        read(tmp_path / "empty")


def test_data_sets_of_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1, 0, 1]})
    data.save_to_disk(tmp_path / "saved")
    splits = datasets.DatasetDict({"train": data, "test": data.select([0, 2])})
    splits.save_to_disk(tmp_path / "splits")
    for source, split, rows in (
        (data, None, 5),
        (tmp_path / "saved", None, 5),
        (splits, "test", 2),
        (tmp_path / "splits", "train", 5),
    ):
        items = read(source, "text", "label", split)
        assert items.at(0, rows)[0] == TEXTS[0]
        assert len(items.labels) == len(items) == rows
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got None"):
        read(splits, "text")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,label\na,1\nb\n", "row 2 of"),
        ("text,label\na,\nb,1\n", "labels='label' has none in row 0"),
        ("text,label\n", "data holds no rows"),
    ],
)
def test_tables_that_are_not_whole(tmp_path, content, words):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "rows.csv", "text", "label")


def test_long_cells_are_read_and_the_limit_of_the_process_stays(tmp_path):
    (tmp_path / "rows.csv").write_text("text\n" + "a" * 200_000 + "\n")
    before = csv.field_size_limit()
    assert len(read(tmp_path / "rows.csv", "text").at(0, 1)[0]) == 200_000
    assert csv.field_size_limit() == before
