"""Gradient features beside gradients taken one by one, and what a model or a call may lack."""

import subprocess
import sys

import numpy as np
import pytest

from w2s_fast import probe
from w2s_fast.features import gradient_features, random_subspace_dimension, sketch_rows
from w2s_fast.features.per_example import PerExample
from w2s_fast.features.sketching import Sketch

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture(autouse=True)
def seeded():
    """One thread, since tests run beside each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def network(outputs=3):
    """All that changes between training and use: batch norm, dropout; of several kinds of layers."""
    return nn.Sequential(
        nn.Conv1d(1, 3, 3), nn.Flatten(), nn.BatchNorm1d(24), nn.Dropout(0.5), nn.Linear(24, 16), nn.GELU(),
        nn.LayerNorm(16), nn.Linear(16, outputs),
    ).double()  # fmt: skip


@pytest.fixture
def inputs():
    return torch.randn(9, 1, 10, dtype=torch.float64)


def exact(model, inputs, names=None, loss=None):
    """(n, outputs, p) by a plain loop."""
    model.eval()
    tensors = [tensor for name, tensor in model.named_parameters() if names is None or name in names]
    found = []
    for i in range(len(inputs)):
        outputs = model(inputs[i : i + 1])
        values = outputs[0] if loss is None else [loss(outputs, i)]
        grads = [torch.autograd.grad(value, tensors, retain_graph=True) for value in values]
        found.append(torch.stack([torch.cat([g.reshape(-1) for g in grad]) for grad in grads]))
    return torch.stack(found)


def close(found, expected):
    return torch.allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, 3])
def test_without_a_sketch_they_are_the_gradients(inputs, outputs):
    model = network(outputs)
    expected = exact(model, inputs)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = gradient_features(model, inputs, k=None)
    assert close(found, expected if outputs > 1 else expected[:, 0])
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(tensor.grad is None for tensor in model.parameters())


@pytest.mark.parametrize("batch", [None, 1, 4, 100])
def test_sketches_are_those_of_the_gradients_for_any_batch(inputs, batch):
    model = network()
    expected = sketch_rows(exact(model, inputs).reshape(27, -1), 64, random_state=5).reshape(9, 3, 64)
    done = []
    how = {"progress": lambda *told: done.append(told)}
    found = gradient_features(model, inputs, k=64, batch=batch, random_state=5, **how)
    assert close(found, expected)
    assert done[-1] == (9, 9)
    assert not close(gradient_features(model, inputs, k=64, random_state=6), expected)


@pytest.mark.parametrize("outputs", [1, 3])
def test_several_sketches_from_one_pass(inputs, outputs):
    model = network(outputs)
    done = []
    how = {"batch": 4, "progress": lambda *told: done.append(told)}
    found = gradient_features(model, inputs, k=32, random_state=[5, 6], **how)
    assert len(done) == 3
    for seed, sketch in zip((5, 6), found, strict=True):
        assert torch.equal(sketch, gradient_features(model, inputs, k=32, random_state=seed, batch=4))


def test_inner_products_are_within_their_standard_errors(inputs):
    model = network(1)
    rows = exact(model, inputs)[:, 0]
    products = [
        found @ found.T for found in (gradient_features(model, inputs, k=256, random_state=s) for s in range(20))
    ]
    mean = torch.stack(products).mean(0).numpy()
    stderr = np.sqrt([[Sketch(256, 0).variance(a, b) for a in rows.numpy()] for b in rows.numpy()]) / np.sqrt(20)
    assert np.abs((mean - (rows @ rows.T).numpy()) / stderr).max() < 4.5  # of 45 that go together, and a bound


def test_named_parameters_are_parts_of_the_whole(inputs):
    model = network()
    whole = gradient_features(model, inputs, k=32)
    parts = [gradient_features(model, inputs, k=32, parameters=names) for names in ("0.*", "2.*", ["[46].*", "7.bias"])]
    assert close(sum(parts) + gradient_features(model, inputs, k=32, parameters="7.weight"), whole)
    names = ["4.bias", "7.weight"]
    assert close(gradient_features(model, inputs, k=None, parameters=names[::-1]), exact(model, inputs, names))
    for name, tensor in model.named_parameters():
        tensor.requires_grad_(name in names)
    assert close(gradient_features(model, inputs, k=32), gradient_features(model, inputs, k=32, parameters=names))


def test_losses(inputs):
    model, functional = network(), nn.functional
    classes, numbers = torch.arange(9) % 3, torch.randn(9, 3, dtype=torch.float64)
    expected = exact(model, inputs, loss=lambda out, i: functional.cross_entropy(out, classes[i : i + 1]))[:, 0]
    assert close(gradient_features(model, inputs, k=None, of="loss", targets=classes), expected)
    expected = exact(model, inputs, loss=lambda out, i: functional.mse_loss(out, numbers[i : i + 1]))[:, 0]
    assert close(gradient_features(model, inputs, k=None, of="loss", targets=numbers.numpy()), expected)
    found = gradient_features(model, inputs, k=None, of=functional.mse_loss, targets=numbers)
    assert close(found, expected)


class Named(nn.Module):
    """Takes named inputs, has tied weights and answers as transformers do."""

    def __init__(self, branches=False):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.branches = branches

    def forward(self, x, mask):
        hidden = torch.tanh(self.second(torch.tanh(self.first(x)))) * mask
        if self.branches and hidden.sum().item() > 0:
            hidden = 2 * hidden
        return {"logits": hidden.sum(dim=1)}


def test_several_inputs_and_outputs_with_logits():
    model, x, mask = Named(), torch.randn(5, 4), torch.ones(5, 4)
    found = gradient_features(model, {"x": x, "mask": mask}, k=None)
    assert found.shape == (5, 24)
    assert found.dtype == torch.float32
    values = [torch.autograd.grad(model(x[:1], mask[:1])["logits"][0], list(model.parameters()))]
    assert torch.allclose(found[0], torch.cat([g.reshape(-1) for g in values[0]]), atol=1e-6)
    assert torch.equal(found, gradient_features(model, (x, mask), k=None))
    arrays = gradient_features(model, (x.numpy(), mask.numpy()), k=None)
    assert isinstance(arrays, np.ndarray)
    assert np.array_equal(arrays, found.numpy())


class Attending(nn.Module):
    """Tokens, attention, the mean over them."""

    def __init__(self):
        super().__init__()
        self.tokens, self.head = nn.Embedding(50, 8), nn.Linear(8, 2)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, tokens):
        return self.head(self.layer(self.tokens(tokens)).mean(1))


def test_transformers_go_through_vmap_without_a_warning():
    model, tokens = Attending().double(), torch.randint(50, (5, 7))
    assert close(gradient_features(model, tokens, k=None), exact(model, tokens))


def test_what_vmap_does_not_take_goes_one_by_one():
    model, x, mask = Named(branches=True), torch.randn(5, 4), torch.ones(5, 4)
    with pytest.warns(RuntimeWarning, match="vmap does not take this model .*: gradients are taken one by one"):
        found = gradient_features(model, (x, mask), k=None)
    for i in range(5):
        value = model(x[i : i + 1], mask[i : i + 1])["logits"][0]
        expected = torch.cat([g.reshape(-1) for g in torch.autograd.grad(value, list(model.parameters()))])
        assert torch.allclose(found[i], expected, atol=1e-6)


def test_out_of_memory_takes_fewer_at_a_time(monkeypatch):
    """The allocator's message, of torch on the CPU, from a batch that is too long."""
    model, x, most = nn.Linear(4, 1), torch.randn(9, 4), [4]
    by_vmap = PerExample._by_vmap

    def short_of_memory(self, examples, outputs):
        if examples.stop - examples.start > most[0]:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return by_vmap(self, examples, outputs)

    expected = gradient_features(model, x, k=16)
    monkeypatch.setattr(PerExample, "_by_vmap", short_of_memory)
    with pytest.warns(
        RuntimeWarning, match="out of memory with 8 examples of 1 outputs at a time: going on with 4 of 1"
    ):
        found = gradient_features(model, x, k=16, batch=8)
    assert torch.allclose(found, expected)
    most[0] = 0
    with pytest.raises(MemoryError, match=r"not even one gradient fits in memory .*: give fewer parameters"):
        gradient_features(model, x, k=16, batch=1)


def test_many_outputs_are_taken_some_at_a_time(monkeypatch, inputs):
    model = network(5)
    expected = gradient_features(model, inputs, k=32)
    size = sum(tensor.numel() for tensor in model.parameters())
    monkeypatch.setattr("w2s_fast.features.gradients.WORKING_BYTES", 3 * 8 * size * 2)
    assert close(gradient_features(model, inputs, k=32), expected)


def test_what_is_no_gradient_is_named(inputs):
    model = network()
    inputs[6] = np.nan
    with pytest.raises(ValueError, match=r"the gradient by '0.weight' is NaN or infinite at row 6, output 0"):
        gradient_features(model, inputs, k=16, batch=4)
    root = nn.Sequential(nn.Linear(2, 1, bias=False)).double()
    loss = lambda outputs, targets: (outputs.sum() - targets.sum()).sqrt()  # noqa: E731
    ones = torch.ones(3, 2, dtype=torch.float64)
    root[0].weight.data.fill_(0.5)
    with pytest.raises(ValueError, match=r"'0.weight' is NaN or infinite at row 2: mend that row"):
        gradient_features(root, ones, of=loss, targets=torch.tensor([0.0, 0.5, 1.0]))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"parameters": "head.*"}, ValueError, r"no parameter of model matches 'head\.\*'; there are 0.weight, 0.bias"),
        ({"parameters": []}, ValueError, "parameters must name some"),
        ({"parameters": [3]}, TypeError, "names or patterns of names, got 3"),
        ({"of": "hidden"}, ValueError, "of must be one of 'logits', 'loss'"),
        ({"of": "loss"}, ValueError, "targets must be given for a loss"),
        ({"targets": [1] * 9}, ValueError, "targets are for a loss"),
        ({"of": "loss", "targets": [1]}, ValueError, r"one row for each of 9 examples, got shape \(1,\)"),
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"random_state": []}, ValueError, "random_state must be one or a list of some"),
        ({"random_state": [1, 2], "k": None}, ValueError, "k=None has no sketch"),
    ],
)
def test_calls_that_make_no_sense(inputs, how, error, message):
    with pytest.raises(error, match=message):
        gradient_features(network(), inputs, **how)


def test_models_that_make_no_sense(inputs):
    model = network()
    for tensor in model.parameters():
        tensor.requires_grad_(False)
    with pytest.raises(ValueError, match=r"every parameter of model is frozen \(0.weight, .* and 2 more\)"):
        gradient_features(model, inputs)
    with pytest.raises(ValueError, match=r"what matches '4\.\*' is frozen \(4.weight, 4.bias\)"):
        gradient_features(model, inputs, parameters="4.*")
    with pytest.raises(ValueError, match="model has no parameters: Flatten"):
        gradient_features(nn.Flatten(), inputs)
    with pytest.raises(TypeError, match="model must be a Module, got function"):
        gradient_features(lambda x: x, inputs)
    with pytest.raises(ValueError, match="as many in each, got"):
        gradient_features(Named(), (torch.ones(3, 4), torch.ones(2, 4)))
    with pytest.raises(TypeError, match="must return a tensor or something with logits, got tuple"):
        gradient_features(nn.LSTM(4, 4), torch.ones(3, 5, 4))
    with pytest.raises(ValueError, match="needs one logit a class, model has one"):
        gradient_features(nn.Linear(4, 1), torch.ones(3, 4), of="loss", targets=[0, 1, 1])


def test_linearised_finetuning_as_teacher_and_student():
    """Ridge and softmax regression on gradient features, of two networks that nobody has trained."""
    x = torch.randn(900, 6)
    y = ((x[:, 0] * x[:, 1] + 0.3 * x[:, 2]) > 0).long().numpy()
    narrow, wide = (nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 1)) for width in (4, 64))
    weak, strong = gradient_features(narrow, x, k=None), gradient_features(wide, x, k=256)
    for fit in ("ridge", "softmax"):
        found = probe(weak, strong, y, n=150, N=400, trials=4, ridge=0.1, fit=fit, metrics="accuracy").accuracy
        assert 0.55 < found.weak.mean() < found.ceiling.mean() < 1


def test_random_subspaces():
    x = torch.randn(400, 8)
    y = (x @ torch.randn(8, 3)).argmax(1)
    model = nn.Linear(8, 3)
    how = {"steps": 150, "optimizer": lambda tensors: torch.optim.Adam(tensors, lr=0.05)}
    arguments = model, x[:300], y[:300], x[300:], y[300:].numpy()
    found = random_subspace_dimension(*arguments, dimensions=[20, 1, 5], repeats=2, **how)
    assert found.dimensions.tolist() == [1, 5, 20]
    assert found.before < 0.6 < 0.85 < found.full
    assert found.accuracies.shape == (3, 2)
    assert found.accuracies[0].mean() < found.accuracies[2].mean()
    assert found.dimension == 20
    again = random_subspace_dimension(*arguments, dimensions=[1, 5, 20], repeats=2, **how)
    assert np.array_equal(again.accuracies, found.accuracies)
    assert "full finetuning" in repr(found)
    scaled = random_subspace_dimension(*arguments, dimensions=[20], scales=True, share=1e-9, **how)
    assert scaled.accuracies[0, 0] > 0.6
    assert scaled.dimension == 20
    assert random_subspace_dimension(*arguments, dimensions=[1], share=1, **how).dimension is None


def test_random_subspaces_that_make_no_sense():
    x, y, model = torch.ones(4, 2), torch.zeros(4, dtype=torch.int64), nn.Linear(2, 2)
    with pytest.raises(ValueError, match="dimensions must be more than the 2 scales of tensors, got 2"):
        random_subspace_dimension(model, x, y, x, y, dimensions=[2], scales=True)
    with pytest.raises(ValueError, match="targets must be one whole number, a class, for each of 4 rows"):
        random_subspace_dimension(model, x, y.double(), x, y, dimensions=[2])
    with pytest.raises(ValueError, match="the loss became NaN or infinite in training"):
        random_subspace_dimension(model, x * np.inf, y, x, y, dimensions=[2])


def test_without_torch_the_extra_is_named():
    program = (
        "import sys\nsys.modules['torch'] = None\nfrom w2s_fast.features import gradient_features\n"
        "try:\n    gradient_features(None, None)\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "gradient_features needs PyTorch" in done.stdout
    assert 'pip install "w2s_fast[models]"' in done.stdout
