"""Files of torch.save: tensors wherever they are in dictionaries and lists, and nothing that runs."""

import collections
import os
from pathlib import Path

import numpy as np
import pytest

from tests.formats import both, refused
from w2s_fast.linalg.files import plain
from w2s_fast.linalg.files.matrix import MatrixFile

torch = pytest.importorskip("torch")

X = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)
TENSOR = torch.from_numpy(X)


@pytest.fixture(params=["plain", "mapped"])
def here(request, tmp_path, monkeypatch):
    """A folder, where the system tells what memory is mapped from and where it does not."""
    if request.param == "mapped":
        monkeypatch.setattr(plain.Mapping, "at", lambda address: None)
    elif not os.path.exists("/proc/self/maps"):
        pytest.skip("Linux tells what memory is mapped from")
    return tmp_path


def test_a_bare_tensor_and_entries_of_dictionaries_and_lists(here):
    path = here / "X.pt"
    torch.save(TENSOR, path)
    both(path, X)
    torch.save({"a": {"b": [TENSOR, 2 * TENSOR], "n": 3, "s": "text"}, 7: (3 * TENSOR,), "none": None}, path)
    for name, factor in (("a/b/0", 1), ("a/b/1", 2), ("7/0", 3)):
        both(f"{path}#{name}", factor * X)
    refused(path, "it holds 3 arrays: write path#name, with a name of ['7/0', 'a/b/0', 'a/b/1']")
    refused(f"{path}#a", "there is no 'a'")
    torch.save(collections.OrderedDict(only=TENSOR), path)
    both(path, X)
    torch.save({"1": TENSOR, 1: TENSOR}, path)
    refused(path, "several arrays of one name")
    torch.save({"n": 3}, path)
    refused(path, "it is empty")


def test_features_lie_plain_where_the_system_tells(tmp_path):
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("Linux tells what memory is mapped from")
    torch.save({"X": TENSOR, "y": TENSOR[:, 0]}, tmp_path / "X.pt")
    assert MatrixFile.open(f"{tmp_path}/X.pt#X", "X").plain is not None


def test_views_are_read_as_they_are(here):
    path = here / "X.pt"
    whole = torch.from_numpy(np.random.default_rng(1).standard_normal((4, 30, 6)))
    views = {
        "rows": whole[2],
        "columns": whole[:, 3].T,
        "every": whole[1, ::2, 1::3],
        "axes": whole.permute(1, 0, 2)[:, 1],
        "wide": whole[0, :, :1].expand(30, 5),
        "copies": whole[0, :1].expand(7, 6),
        "gradient": whole[3].clone().requires_grad_(),
        "parameter": torch.nn.Parameter(whole[3].clone()),
    }
    torch.save(views, path)
    for name, view in views.items():
        both(f"{path}#{name}", view.detach().numpy())
    torch.save(whole.permute(1, 0, 2), path)
    for index in ("[:,1]", "[:,:,2]", "[:,::2,0]"):
        both(f"{path}#{index}", eval(f"whole.permute(1, 0, 2).numpy(){index}"))
    flat = np.concatenate([block.ravel() for block in MatrixFile.open(path, "X", (3,)).flat(17)])
    np.testing.assert_array_equal(np.sort(flat), np.sort(whole.numpy().ravel()))


def test_every_type_of_real_numbers(here):
    path = here / "X.pt"
    for kind in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"):
        tensor = torch.round(4 * TENSOR).to(getattr(torch, kind))
        torch.save(tensor, path)
        both(path, tensor.numpy())
    torch.save(TENSOR.to(torch.bfloat16), path)
    expected = TENSOR.to(torch.bfloat16).to(torch.float32).numpy()
    both(path, expected)
    both(f"{path}#[:,::2]", expected[:, ::2])
    torch.save(-1j * TENSOR, path)
    refused(path, "X must hold real numbers, got dtype complex64")
    torch.save(TENSOR.to(torch.float8_e4m3fn), path)
    refused(path, "torch.float8_e4m3fn")
    torch.save(TENSOR.to_sparse(), path)
    refused(path, "save its to_dense()")
    torch.save(torch.complex(TENSOR, TENSOR).conj().imag, path)  # negated when it is read
    both(path, -X)
    for shape in ((0, 3), (3, 0)):
        torch.save(torch.zeros(shape), path)
        both(path, np.zeros(shape, np.float32))


class Harmful:
    def __reduce__(self):
        return os.system, (f"touch {Path.cwd() / 'harm'}",)


def test_what_could_run_is_refused_and_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "X.pt"
    for content, said in (
        (Harmful(), "system"),
        ({"X": TENSOR, "more": Harmful()}, "system"),
        ({"X": X}, "it holds numpy"),
        ({"X": TENSOR, "kept": Path("a")}, "it holds pathlib"),
    ):
        torch.save(content, path)
        refused(path, said, "torch.load(weights_only=True) refuses that", "could run any code")
    assert not (tmp_path / "harm").exists()
    torch.save(TENSOR, path, _use_new_zipfile_serialization=False)
    refused(path, "save it again by torch.save")
    path.write_bytes(b"")
    refused(path)
    path.write_bytes(np.random.default_rng(0).bytes(5_000))
    refused(path)
