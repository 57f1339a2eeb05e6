"""Features of functions: files, resumes, batches, and what is refused. No torch."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import commands
from w2s_fast.features import batches, extract, store
from w2s_fast.features.batches import Batches
from w2s_fast.features.models.base import Loaded
from w2s_fast.linalg.files.contents import contents
from w2s_fast.linalg.files.matrix import MatrixFile

FORMATS = (".zarr", ".npy", ".npz", ".safetensors")
WORDS = np.random.default_rng(0).integers(0, 26, (600, 9)) + ord("a")
TEXTS = ["".join(map(chr, row[: 1 + number % 9])) for number, row in enumerate(WORDS)]


def letters(texts):
    """How often each of the first four letters comes, and how long a text is."""
    return np.array([[*(text.count(letter) for letter in "abcd"), len(text)] for text in texts], float)


def layered(texts):
    return {"hidden": np.stack([letters(texts) + layer for layer in range(3)], axis=1), "logits": letters(texts)[:, :2]}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(store, "ROWS", 64)


def needs(suffix):
    if suffix == ".zarr":
        pytest.importorskip("zarr")


def snapshot(path):
    """All files of what was made, with their bytes."""
    files = [path, path.with_name(f"{path.name}.json")] if path.is_file() else sorted(path.rglob("*"))
    return {str(file): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_keep_their_order_in_every_format(tmp_path, suffix, dtype):
    needs(suffix)
    seen = []
    made = extract(
        letters, TEXTS, out=tmp_path / f"X{suffix}", dtype=dtype, progress=lambda *now: seen.append(now), batch=10
    )
    expected = letters(TEXTS).astype(dtype)
    np.testing.assert_array_equal(made.array("features"), expected)
    assert made.array("features").dtype == dtype
    np.testing.assert_array_equal(MatrixFile.open(str(tmp_path / f"X{suffix}"), "X").array(), expected)
    assert seen[0] == (0, 600)
    assert seen[-1] == (600, 600)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert "features (600, 5)" in repr(made).replace("\n ", "")


@pytest.mark.parametrize("suffix", [".zarr", ".npz", ".safetensors"])
def test_layers_and_logits_are_arrays_beside_one_another(tmp_path, suffix):
    needs(suffix)
    made = extract(layered, TEXTS, out=tmp_path / f"X{suffix}")
    items = {item.name: item.shape for item in contents(tmp_path / f"X{suffix}")}
    assert items == {"hidden": (600, 3, 5), "logits": (600, 2)}
    np.testing.assert_array_equal(made.array("hidden", "[:,2]"), letters(TEXTS) + 2)
    np.testing.assert_array_equal(made.array("hidden"), layered(TEXTS)["hidden"])
    one = made.manifest["arrays"]["logits"]
    assert one["sha256"] == store.hashlib.sha256(letters(TEXTS)[:, :2].astype("<f4").tobytes()).hexdigest()


def test_a_layer_of_zarr_is_read_alone(tmp_path):
    pytest.importorskip("zarr")
    made = extract(layered, TEXTS, out=tmp_path / "X.zarr")
    for path in (tmp_path / "X.zarr" / "hidden" / "c").rglob("0"):
        if path.is_file() and path.parents[0].name != "1":
            path.write_bytes(b"")
    np.testing.assert_array_equal(made.array("hidden", "[:,1]"), letters(TEXTS) + 1)


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_interruption_loses_one_chunk_at_most(tmp_path, suffix):
    needs(suffix)
    calls = []

    def interrupted(texts):
        calls.append(len(texts))
        if len(calls) == 6:
            raise KeyboardInterrupt
        return letters(texts)

    def rest(texts):
        calls.append(len(texts))
        return letters(texts)

    interrupted.__qualname__ = rest.__qualname__ = letters.__qualname__
    whole = extract(letters, TEXTS, out=tmp_path / f"whole{suffix}")
    with pytest.raises(KeyboardInterrupt):
        extract(interrupted, TEXTS, out=tmp_path / f"X{suffix}", workers=1)
    with pytest.raises((ValueError, FileNotFoundError)):
        MatrixFile.open(str(tmp_path / f"X{suffix}"), "X")
    done = 128  # two chunks of two batches, and one batch of the next
    calls.clear()
    resumed = extract(rest, TEXTS, out=tmp_path / f"X{suffix}", workers=1)
    assert sum(calls) == 600 - done
    np.testing.assert_array_equal(resumed.array("features"), letters(TEXTS))
    renamed = {name.replace("whole", "X"): content for name, content in snapshot(whole.path).items()}
    assert snapshot(resumed.path) == renamed
    calls.clear()
    again = extract(rest, TEXTS, out=tmp_path / f"X{suffix}")
    assert again.manifest == resumed.manifest
    assert calls == []


CHILD = """
import sys, time
import numpy as np
from w2s_fast.features import batches, extract, store
store.ROWS = 64
def letters(texts):
    time.sleep(0.01)
    return np.array([[*(text.count(letter) for letter in "abcd"), len(text)] for text in texts], float)
letters.__qualname__ = "letters"
extract(letters, open(sys.argv[1]).read().split(), out=sys.argv[2], workers=1, batch=4)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_kill_in_the_middle_and_the_same_file(tmp_path):
    (tmp_path / "texts").write_text("\n".join(TEXTS))
    out = tmp_path / "X.npz"
    journal = tmp_path / ".X.npz.chunks" / store.JOURNAL
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "texts"), str(out)])
    while child.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        time.sleep(0.005)
    child.kill()
    child.wait()
    assert not out.exists()
    extract(letters, TEXTS, out=out, batch=4)
    extract(letters, TEXTS, out=tmp_path / "whole.npz", batch=4)
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("harm", ["flip", "cut", "missing", "torn journal"])
def test_damaged_chunks_are_made_anew(tmp_path, harm):
    count = 0

    def stops(texts):
        nonlocal count
        count += 1
        if count > 8:
            raise KeyboardInterrupt
        return letters(texts)

    stops.__qualname__ = letters.__qualname__
    with pytest.raises(KeyboardInterrupt):
        extract(stops, TEXTS, out=tmp_path / "X.npz", workers=1)
    chunks = tmp_path / ".X.npz.chunks"
    path = chunks / "features" / "c" / "1" / "0"
    content = path.read_bytes()
    if harm == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "cut":
        path.write_bytes(content[:-3])
    elif harm == "missing":
        path.unlink()
    else:
        journal = chunks / store.JOURNAL
        journal.write_bytes(journal.read_bytes()[:-9])
    made = extract(letters, TEXTS, out=tmp_path / "X.npz")
    np.testing.assert_array_equal(made.array("features"), letters(TEXTS))


def test_other_data_models_or_ways_are_refused_by_name(tmp_path):
    out = tmp_path / "X.npz"
    extract(letters, TEXTS, out=out)

    def others(texts):
        return letters(texts)

    changed = [*TEXTS[:7], "zzz", *TEXTS[8:]]
    for call, words in (
        (lambda: extract(letters, TEXTS[:-1], out=out), "data has 599 rows, and had 600"),
        (lambda: extract(letters, changed, out=out), "data has other rows than it had, as many as before"),
        (lambda: extract(letters, TEXTS[::-1], out=out), "data has other rows"),
        (lambda: extract(others, TEXTS, out=out), "its name was 'letters', and is"),
        (lambda: extract(letters, TEXTS, out=out, dtype="float16"), "its dtype was 'float32', and is 'float16'"),
        (lambda: extract(letters, TEXTS, out=out, batch=7), "batch is another: was None, and is 7"),
    ):
        with pytest.raises(store.ChangedError, match=re.escape(words)):
            call()
    made = extract(letters, TEXTS[:-1], out=out, overwrite=True)
    assert made.shapes == {"features": (599, 5)}
    out.with_name("X.npz.json").unlink()
    with pytest.raises(FileExistsError, match="none of ours"):
        extract(letters, TEXTS, out=out)


def test_data_that_changed_since_an_unfinished_run_is_refused(tmp_path):
    def broken(texts):
        raise KeyboardInterrupt

    broken.__qualname__ = letters.__qualname__
    with pytest.raises(KeyboardInterrupt):
        extract(broken, TEXTS, out=tmp_path / "X.zarr")
    with pytest.raises(store.ChangedError, match="data has 601 rows, and had 600"):
        extract(letters, [*TEXTS, "a"], out=tmp_path / "X.zarr")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named_by_row_and_layer(tmp_path, bad):
    def breaks(texts):
        found = layered(texts)["hidden"]
        found[[text == TEXTS[300] for text in texts], 2, 1] = bad
        return {"hidden": found}

    texts = [*TEXTS[:300], TEXTS[300] + "!", *TEXTS[301:]]
    texts = [text for text in texts if text != TEXTS[300]]
    texts.insert(270, TEXTS[300])
    with pytest.raises(ValueError, match=rf"row 270, layer 2: the model makes {bad}"):
        extract(breaks, texts, out=tmp_path / "X.npz")
    with pytest.raises(ValueError, match=r"row 0, 'features': 1e\+06 is beyond float16: extract with dtype='float32'"):
        extract(lambda texts: letters(texts) * 0 + 1e6, TEXTS, out=tmp_path / "Y.npz", dtype="float16")


def test_memory_that_runs_out_halves_the_batch_and_says_so(tmp_path):
    def large(texts):
        if len(texts) > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return letters(texts)

    notes = []
    made = extract(large, TEXTS, out=tmp_path / "X.npz", notify=notes.append)
    sizes = [(32, 16), (16, 8), (8, 4)]
    assert notes == [f"out of memory with {size} rows at a time: goes on with {half}" for size, half in sizes]
    np.testing.assert_array_equal(made.array("features"), letters(TEXTS))
    assert made.manifest["batch_at_end"] == 4

    def too_large(texts):
        raise MemoryError

    with pytest.raises(MemoryError, match="memory runs out with a single row at a time"):
        extract(too_large, TEXTS, out=tmp_path / "Y.npz", notify=notes.append)

    def broken(texts):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        extract(broken, TEXTS, out=tmp_path / "Z.npz")


def test_a_batch_that_would_not_fit_is_halved_before_it_is_tried(monkeypatch):
    monkeypatch.setattr(batches, "free_memory", lambda: 2 * 9 * 100 * 10)  # ten rows of the longest
    sizes, notes = [], []

    def embed(texts):
        sizes.append(len(texts))
        return {"features": letters(texts)}

    model = Loaded(("text",), {}, embed, lambda texts: [len(text) for text in texts], 100)
    found = Batches(model, 50, 1, notes.append).run(TEXTS)
    np.testing.assert_array_equal(found["features"], letters(TEXTS))
    assert notes == ["memory would run out with 50 rows at a time: goes on with 6"]
    assert max(sizes) == 6


@pytest.mark.parametrize("workers", [1, 3])
def test_short_rows_go_together_and_come_back_in_order(workers):
    seen = []

    def embed(texts):
        seen.append([len(text) for text in texts])
        return {"features": letters(texts)}

    model = Loaded(("text",), {}, embed, lambda texts: [len(text) for text in texts])
    found = Batches(model, 50, workers, print).run(TEXTS)
    np.testing.assert_array_equal(found["features"], letters(TEXTS))
    assert max(max(batch) - min(batch) for batch in seen) <= 1


def test_a_model_that_changes_its_mind_is_refused(tmp_path):
    def ragged(texts):
        return np.zeros((len(texts), len(texts[0])))

    with pytest.raises(ValueError, match="the model made features of shape"):
        extract(ragged, TEXTS, out=tmp_path / "X.npz", workers=1)
    with pytest.raises(ValueError, match="for 32 rows"):
        extract(lambda texts: np.zeros((3, 2)), TEXTS, out=tmp_path / "Y.npz", workers=1)


def test_groups_of_one_folder(tmp_path):
    zarr = pytest.importorskip("zarr")
    for name, scale in (("small", 1), ("large", 2)):
        extract(lambda texts, scale=scale: letters(texts) * scale, TEXTS, out=tmp_path / "X.zarr" / name)
    assert sorted(item.name for item in contents(tmp_path / "X.zarr")) == ["large/features", "small/features"]
    large = MatrixFile.open(f"{tmp_path}/X.zarr#large/features", "X").array()
    np.testing.assert_array_equal(large, 2 * letters(TEXTS))
    attributes = zarr.open(tmp_path / "X.zarr", mode="r")["large"].attrs[store.KIND]
    assert attributes["rows"] == 600
    assert attributes["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"out": "X.csv"}, ValueError, "out must be a file of type .zarr, .npy, .npz, .safetensors, got"),
        ({"out": "nowhere/X.npy"}, FileNotFoundError, "does not exist"),
        ({"dtype": "bfloat16"}, ValueError, "dtype must be one of 'float16', 'float32'"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"layers": 3}, ValueError, "layers, pooling and logits are for models"),
        ({"pooling": "max"}, ValueError, "pooling must be one of 'mean', 'cls', 'last'"),
        ({"logits": True, "layers": 1}, ValueError, "exclude one another"),
        ({"device": "cuda"}, ValueError, "device is for models of torch"),
        ({"model": 3}, TypeError, "model must be a name, a folder"),
        ({"model": layered, "out": "X.npy"}, ValueError, "an .npy file holds one array, these are hidden, logits"),
        ({"data": []}, ValueError, "data holds no rows"),
        ({"data": 3}, TypeError, "data must be a list"),
        ({"data": ["a", None]}, ValueError, "data: row 1 is missing"),
        ({"data": ["a", np.ones(3)]}, ValueError, "data: row 1 is of kind array, those before of kind text"),
        ({"data": "no.csv"}, FileNotFoundError, "data: there is no file 'no.csv'"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(tmp_path, monkeypatch, arguments, error, words):
    monkeypatch.chdir(tmp_path)
    arguments = {"model": letters, "data": TEXTS, "out": "X.npz"} | arguments
    with pytest.raises(error, match=re.escape(words)) as caught:
        extract(arguments.pop("model"), arguments.pop("data"), **arguments)
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_named_by_what_brings_it(tmp_path):
    program = (
        "import sys\nsys.modules['torch'] = None\nfrom w2s_fast.features import extract\n"
        f"extract({str(tmp_path)!r}, ['a'], out={str(tmp_path / 'X.npz')!r})"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert 'this model needs torch: python -m pip install "w2s_fast[models]"' in done.stderr.splitlines()[-1]


def test_the_command_names_its_files_and_is_one_line_when_it_fails(tmp_path, capsys, monkeypatch):
    from w2s_fast.features.models import function, registry

    monkeypatch.setattr(registry, "load", lambda model, reading, kind, _: function.load(letters, reading, kind))
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"{text},{'no' if i % 2 else 'yes'}\n" for i, text in
                                                                 enumerate(TEXTS)))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    base = ["extract", "--data", "rows.csv", "--column", "text", "--labels", "label"]
    status, out, err = commands.run(capsys, *base, "--model", "a/m", "--out", "X.npz", monkeypatch=monkeypatch)
    assert (status, out) == (0, "X.npz#features: 600 x 5\nX.npz#labels: 600\n")
    assert "features: m" in err
    labels = MatrixFile.open("X.npz#labels", "y", (1,)).array()
    np.testing.assert_array_equal(labels, [i % 2 == 0 for i in range(600)])
    assert json.loads(Path("X.npz.json").read_text())["classes"] == ["no", "yes"]
    two = [*base, "--model", "a/m", "--model", "b/n", "--out", "X.zarr", "--quiet", "--json"]
    status, out, err = commands.run(capsys, *two, monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    assert [one["path"] for one in json.loads(out)] == ["X.zarr/m", "X.zarr/n"]
    for more, words in (
        (["--model", "a/m", "--model", "b/m", "--out", "Y.zarr"], "names models alike"),
        (["--model", "a", "--model", "b", "--out", "Y.npz"], "several models need a folder .zarr"),
        (["--model", "a", "--out", "Y.npz", "--column", "body"], "column must be one of 'text', 'label', got 'body'"),
    ):
        status, out, err = commands.run(capsys, *base, *more, monkeypatch=monkeypatch)
        assert status > 0
        assert words in err
        assert err.count("\n") == 1
