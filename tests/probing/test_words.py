"""Labels and weak labels that are names of classes in files, and weak labels of 0 and 1 for labels -1 and +1."""

import numpy as np
import pytest

from w2s_fast import Predictions, Study, Task, probe
from w2s_fast.linalg.files.words import words_in

rng = np.random.default_rng(2)
STRONG = rng.standard_normal((120, 5))
WEAK = STRONG[:, :2] + rng.standard_normal((120, 2))
CLASSES = np.array(["no", "so so", "yes"])[np.digitize(STRONG[:, 0], [-0.5, 0.5])]
TWO = np.where(STRONG[:, 0] > 0, "yes", "no")
SAID = np.where(rng.random(120) < 0.2, np.where(TWO == "yes", "no", "yes"), TWO)
POINT = {"n": 30, "N": 60, "trials": 2}


def written(kind, words, folder):
    """A file of words, and how it is named."""
    path = folder / f"words.{kind}"
    if kind == "npy":
        np.save(path, words)
    elif kind == "npz":
        np.savez(path, other=np.arange(3.0), y=words)
    elif kind in ("csv", "tsv"):
        mark = "," if kind == "csv" else "\t"
        path.write_text(f"id{mark}y\n" + "".join(f"{i}{mark}{word}\n" for i, word in enumerate(words)))
    else:
        arrow = pytest.importorskip("pyarrow")
        column = arrow.array(words.tolist())
        table = arrow.table({"id": range(len(words)), "y": column.dictionary_encode() if kind == "feather" else column})
        if kind == "parquet":
            __import__("pyarrow.parquet").parquet.write_table(table, path, row_group_size=50)
        else:
            __import__("pyarrow.feather").feather.write_feather(table, str(path))
    return str(path) if kind == "npy" else f"{path}#y"


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "tsv", "parquet", "feather"])
def test_names_of_every_format(kind, tmp_path):
    place = written(kind, CLASSES, tmp_path)
    assert words_in(place, "y").tolist() == CLASSES.tolist()
    found, expected = (probe(WEAK, STRONG, y, metrics="accuracy", **POINT) for y in (place, CLASSES))
    np.testing.assert_array_equal(found.w2s, expected.w2s)


def test_a_column_of_names_is_names():
    found, expected = (probe(WEAK, STRONG, y, metrics="accuracy", **POINT) for y in (CLASSES[:, None], CLASSES))
    np.testing.assert_array_equal(found.w2s, expected.w2s)


def test_a_teacher_by_the_names_in_a_file(tmp_path):
    place = written("csv", SAID, tmp_path)
    found, expected = (probe(Predictions(said), STRONG, TWO, **POINT) for said in (place, SAID))
    np.testing.assert_array_equal(found.accuracy.w2s, expected.accuracy.w2s)
    assert abs(found.accuracy.weak.mean() - 0.8) < 0.15
    study = Study(Task.of(Predictions(place), STRONG, written("npy", TWO, tmp_path)), **POINT).run(progress=False)
    np.testing.assert_allclose(study.result.w2s[0], expected.w2s)


def test_numbers_stay_numbers_and_what_has_no_name_is_refused(tmp_path):
    one = tmp_path / "one.csv"
    one.write_text("y\n1\n2\n")
    assert words_in(one, "y") is None
    np.save(tmp_path / "numbers.npy", np.arange(3))
    assert words_in(tmp_path / "numbers.npy", "y") is None
    np.savez(tmp_path / "both.npz", a=CLASSES, b=np.arange(3))
    assert words_in(f"{tmp_path}/both.npz#b", "y") is None
    np.save(tmp_path / "pickled.npy", CLASSES.astype(object))
    with pytest.raises(ValueError, match=r"y: cannot read|y must hold real numbers"):  # a pickle is never loaded
        probe(WEAK, STRONG, str(tmp_path / "pickled.npy"), **POINT)
    one.write_text("y,z\nyes,1\n,2\n")
    with pytest.raises(ValueError, match=r"y: cannot read .*one\.csv#y': row 1 has no name"):
        words_in(f"{one}#y", "y")
    with pytest.raises(ValueError, match="write path#name"):
        words_in(f"{one}#w", "y")
    with pytest.raises(FileNotFoundError):
        probe(WEAK, STRONG, str(tmp_path / "none.csv"), **POINT)


def test_zeros_and_ones_are_no_predictions_of_signs_unless_told():
    """On the middle of -1 and +1 a prediction of 0 would be a miss for either class."""
    ones = (SAID == "yes").astype(float)
    for y in (TWO, np.where(TWO == "yes", 1, -1)):
        with pytest.raises(ValueError, match=r"weak has predictions from 0 to 1, y has .*: pass .*probabilities=True"):
            probe(Predictions(ones), STRONG, y, **POINT)
        told = probe(Predictions(ones, probabilities=True), STRONG, y, **POINT)
        np.testing.assert_array_equal(told.accuracy.weak, probe(Predictions(SAID), STRONG, TWO, **POINT).accuracy.weak)
    as_they_are = probe(Predictions(ones, probabilities=False), STRONG, TWO, **POINT)
    assert as_they_are.accuracy.weak.max() < 0.7
    assert probe(Predictions(ones), STRONG, (TWO == "yes").astype(int), **POINT).accuracy.weak.min() > 0.6
