"""Models by their names on a hub, from its cache and without a network: as from a folder, with the revision."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.conftest import HANG  # noqa: E402
from tests.tiny_models import TEXTS, bert_config, in_cache, save, sentence_folder, tokenizer_of  # noqa: E402
from w2s_fast.features import extract  # noqa: E402

PROGRAM = """
import json, sys, warnings
from w2s_fast.features import extract

told = {}
for number, name in enumerate(sys.argv[3:]):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = extract(name, sys.argv[1], out=f"{sys.argv[2]}/{number}.npy", device="cpu")
            told[name] = {"model": made.manifest["model"], "file": str(made.path)}
        except Exception as error:
            told[name] = {"error": f"{type(error).__name__}: {error}"}
    told[name]["warnings"] = [str(one.message) for one in caught if "modules.json" in str(one.message)]
print(json.dumps(told))
"""  # a process of its own, for the hub's library reads its environment once
PARTS = ("Transformer", "Pooling", "Normalize")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    save(folder / "bert", transformers.BertModel(bert_config()), tokenizer_of(pad_token="[PAD]"))
    pooling = {"pooling_mode": "lasttoken"}
    sentence_folder(folder / "bert", folder / "sentences", PARTS, pooling)
    sentence_folder(folder / "bert", folder / "old", PARTS, pooling, inside="0_Transformer")
    return folder


@pytest.fixture(scope="module")
def found(folders, tmp_path_factory):
    """What extraction by name told, and the revisions."""
    folder = tmp_path_factory.mktemp("hub")
    cache = folder / "hub"
    revisions = {
        "org/bert": in_cache(cache, "org/bert", folders / "bert", "modules.json"),
        "org/doubtful": in_cache(cache, "org/doubtful", folders / "bert"),
        "org/sentences": in_cache(cache, "org/sentences", folders / "sentences"),
        "org/old": in_cache(cache, "org/old", folders / "old"),
    }
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    names = [*revisions, "transformers:org/doubtful", "sentence-transformers:org/bert", "org/absent"]
    command = [sys.executable, "-c", PROGRAM, str(folder / "texts.txt"), str(folder), *names]
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), revisions


@pytest.mark.parametrize(
    ("name", "folder"),
    [("org/bert", "bert"), ("org/doubtful", "bert"), ("org/sentences", "sentences"), ("org/old", "old")],
)
def test_a_name_is_its_folder_and_its_revision(tmp_path, folders, found, name, folder):
    told, revisions = found
    expected = extract(folders / folder, TEXTS, out=tmp_path / "X.npy", device="cpu")
    np.testing.assert_array_equal(np.load(told[name]["file"]), expected.array("features"))
    about, own = told[name]["model"], expected.manifest["model"]
    assert about["revision"] == revisions[name]
    assert own["revision"] is None
    assert {**about, "name": None, "revision": None} == {**own, "name": None}
    if folder != "bert":
        assert about["kind"] == "sentence-transformers"
        np.testing.assert_allclose(np.linalg.norm(expected.array("features"), axis=1), 1, rtol=1e-5)


def test_where_the_list_of_modules_is_unknown_a_warning_says_so(found):
    told, _ = found
    assert {name for name, one in told.items() if one["warnings"]} == {"org/doubtful"}
    (said,) = told["org/doubtful"]["warnings"]
    assert said.startswith("'org/doubtful' is read as a plain encoder: its modules.json")
    assert said.endswith("say transformers:org/doubtful if it has none")


def test_a_name_that_is_not_there_is_one_line(found):
    told, _ = found
    error = told["org/absent"]["error"]
    assert error.startswith(
        "ValueError: model 'org/absent', neither a folder nor a model that can be fetched, cannot be loaded"
    )
    assert told["sentence-transformers:org/bert"]["error"] == (
        "ValueError: model 'org/bert' must be of sentence-transformers, a folder or a name of a hub, with modules.json"
    )
    assert "\n" not in error
