"""Tiny random models of transformers, timm and torch: features are those of a plain loop of their own library."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_models import (  # noqa: E402
    BATCH,
    IMAGES,
    OF_IMAGES,
    POOLED,
    RNG,
    TEXTS,
    VOCABULARY,
    bert_config,
    plain,
    save,
    sentence_folder,
    tokenizer_of,
)
from w2s_fast.features import extract  # noqa: E402
from w2s_fast.features.models import torch as shared  # noqa: E402


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of tiny models of texts, and of one of images, as their library saves them."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    gpt = transformers.GPT2Config(
        vocab_size=len(VOCABULARY), n_positions=20, n_embd=16, n_layer=2, n_head=2, eos_token_id=4, bos_token_id=4
    )
    save(folder / "bert", transformers.BertModel(bert_config()), tokenizer_of(pad_token="[PAD]"))
    save(folder / "head", transformers.BertForSequenceClassification(bert_config()), tokenizer_of(pad_token="[PAD]"))
    save(folder / "gpt", transformers.GPT2Model(gpt), tokenizer_of(eos_token="<|end|>"))
    save(folder / "vit", transformers.ViTModel(transformers.ViTConfig(**OF_IMAGES)))
    return folder


@pytest.mark.parametrize("name", ["bert", "gpt"])
@pytest.mark.parametrize("pooling", POOLED)
@pytest.mark.parametrize("workers", [1, 2])
def test_texts_are_bit_for_bit_those_of_a_plain_loop(tmp_path, folders, name, pooling, workers):
    expected = plain(folders / name, POOLED[pooling])
    options = {"pooling": pooling, "batch": BATCH, "workers": workers, "device": "cpu"}
    made = extract(folders / name, TEXTS, out=tmp_path / "all.npz", layers="all", **options)
    np.testing.assert_array_equal(made.array("hidden"), expected)
    end = extract(folders / name, TEXTS, out=tmp_path / "end.npz", **options)
    np.testing.assert_array_equal(end.array("features"), expected[:, -1])
    some = extract(folders / name, TEXTS, out=tmp_path / "some.npz", layers=(0, -1), **options)
    np.testing.assert_array_equal(some.array("hidden"), expected[:, [0, -1]])
    one = extract(folders / name, TEXTS, out=tmp_path / "one.npy", layers=1, **options)
    np.testing.assert_array_equal(one.array("hidden"), expected[:, 1])


def test_padding_does_not_count(tmp_path, folders):
    together = extract(folders / "bert", TEXTS, out=tmp_path / "X.npz", batch=64).array("features")
    alone = extract(folders / "bert", TEXTS, out=tmp_path / "Y.npz", batch=1).array("features")
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_logits_of_a_head_and_the_manifest(tmp_path, folders):
    import transformers

    made = extract(folders / "head", TEXTS[:8], out=tmp_path / "X.npz", logits=True, batch=BATCH)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders / "head")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folders / "head").eval()
    with torch.no_grad():
        expected = model(**tokenizer(TEXTS[:8], padding=True, return_tensors="pt")).logits.numpy()
    np.testing.assert_allclose(made.array("logits"), expected, rtol=1e-5, atol=1e-6)
    manifest = json.loads((tmp_path / "X.npz.json").read_text())
    assert manifest["model"]["class"] == "BertForSequenceClassification"
    assert manifest["model"]["weights"] == shared.weights_sum(model)
    assert len(manifest["model"]["input"]["sha256"]) == 64
    assert manifest["versions"]["torch"] == torch.__version__.partition("+")[0] or torch.__version__
    assert manifest["versions"]["transformers"] == transformers.__version__


def test_a_pair_in_memory_is_the_folder(tmp_path, folders):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folders / "bert")
    network = transformers.AutoModel.from_pretrained(folders / "bert")
    pair = extract((network, tokenizer), TEXTS, out=tmp_path / "X.npz", batch=BATCH).array("features")
    folder = extract(folders / "bert", TEXTS, out=tmp_path / "Y.npz", batch=BATCH).array("features")
    np.testing.assert_array_equal(pair, folder)
    with pytest.raises(ValueError, match=r"a pair \(network, tokenizer\)"):
        extract(network, TEXTS, out=tmp_path / "Z.npz")


def test_other_weights_are_another_model(tmp_path, folders):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folders / "bert")
    network = transformers.AutoModel.from_pretrained(folders / "bert")
    extract((network, tokenizer), TEXTS, out=tmp_path / "X.npz")
    with torch.no_grad():
        network.embeddings.word_embeddings.weight[0, 0] += 1
    with pytest.raises(ValueError, match="model is another: its weights was"):
        extract((network, tokenizer), TEXTS, out=tmp_path / "X.npz")


@pytest.mark.parametrize(
    ("pooling", "how"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode": "lasttoken"}, "last"),
    ],
)
def test_folders_of_sentence_transformers(tmp_path, folders, pooling, how):
    path = sentence_folder(folders / "bert", tmp_path / "model", ("Transformer", "Pooling", "Normalize"), pooling)
    cut = [" ".join(text.split()[:6]) for text in TEXTS]
    expected = plain(folders / "bert", POOLED[how], texts=cut)
    made = extract(path, TEXTS, out=tmp_path / "X.npz", batch=BATCH, layers="all")
    np.testing.assert_array_equal(made.array("hidden"), expected)
    end = extract(path, TEXTS, out=tmp_path / "Y.npz", batch=BATCH).array("features")
    np.testing.assert_allclose(end, expected[:, -1] / np.linalg.norm(expected[:, -1], axis=1)[:, None], rtol=1e-6)


def test_sentence_transformers_that_change_the_text(tmp_path, folders):
    """A prompt in front and small letters, as their library does before the tokenizer; a file of another name."""
    path = sentence_folder(folders / "bert", tmp_path / "model", ("Transformer", "Pooling"), {})
    (path / "sentence_bert_config.json").unlink()
    (path / "sentence_roberta_config.json").write_text('{"max_seq_length": 6, "do_lower_case": true}')
    own = path / "config_sentence_transformers.json"
    own.write_text(json.dumps({"prompts": {"query": "not "}, "default_prompt_name": "query"}))
    expected = plain(folders / "bert", POOLED["mean"], texts=[" ".join(f"not {text}".split()[:6]) for text in TEXTS])
    made = extract(path, [f" {text.title()} " for text in TEXTS], out=tmp_path / "X.npz", batch=BATCH)
    np.testing.assert_array_equal(made.array("features"), expected[:, -1])
    assert (made.manifest["model"]["prompt"], made.manifest["model"]["lowercase"]) == ("not ", True)
    (path / "1_Pooling" / "config.json").write_text('{"include_prompt": false}')
    with pytest.raises(ValueError, match="leaves its prompt out of the mean: pass the encode of its own library"):
        extract(path, TEXTS, out=tmp_path / "Y.npz")


def test_sentence_transformers_with_other_parts_are_refused(tmp_path, folders):
    path = sentence_folder(folders / "bert", tmp_path / "model", ("Transformer", "Pooling", "Dense"), {})
    with pytest.raises(ValueError, match="has a part 'Dense': pass the encode of its own library"):
        extract(path, TEXTS, out=tmp_path / "X.npz")
    path = sentence_folder(
        folders / "bert", tmp_path / "other", ("Transformer", "Pooling"), {"pooling_mode_max_tokens": True}
    )
    with pytest.raises(ValueError, match="the model pools by max_tokens: say mean, cls or last"):
        extract(path, TEXTS, out=tmp_path / "X.npz")


def test_images_of_a_transformer(tmp_path, folders):
    import transformers

    network = transformers.AutoModel.from_pretrained(folders / "vit").eval()
    pixels = RNG.standard_normal((9, 3, 16, 16)).astype(np.float32)
    made = extract(folders / "vit", pixels, out=tmp_path / "X.npz", layers="all", pooling="cls", workers=1)
    with torch.no_grad():
        torch.set_num_threads(1)
        states = network(torch.from_numpy(pixels), output_hidden_states=True).hidden_states
    np.testing.assert_allclose(made.array("hidden"), torch.stack([state[:, 0] for state in states], 1), rtol=1e-5,
                               atol=1e-6)  # fmt: skip


def network():
    """A small network of images."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU(), torch.nn.Conv2d(6, 5, 3), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(5, 4),
    )  # fmt: skip


def test_modules_of_torch_by_names_of_layers(tmp_path):
    pixels = RNG.standard_normal((40, 3, 12, 12)).astype(np.float32)
    module = network()
    before = torch.get_num_threads()
    made = extract(module, pixels, out=tmp_path / "X.npz", layers=("0", "2"), batch=16, device="cpu")
    assert torch.get_num_threads() == before
    torch.set_num_threads(1)
    expected = {"0": [], "2": []}
    batches = [pixels[start : start + 16] for start in range(0, 40, 16)]
    with torch.inference_mode():
        for part in batches:
            values = torch.from_numpy(part).contiguous(memory_format=torch.channels_last)
            first = module[0](values)
            expected["0"].append(first.mean((2, 3)))
            expected["2"].append(module[2](module[1](first)).mean((2, 3)))
    torch.set_num_threads(before)
    for name, rows in expected.items():
        np.testing.assert_array_equal(made.array(f"hidden/{name}"), torch.cat(rows).numpy())
    end = extract(module, pixels, out=tmp_path / "Y.npz", logits=True).array("logits")
    with torch.no_grad():
        np.testing.assert_allclose(end, module(torch.from_numpy(pixels)), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="layers has 'body'"):
        extract(module, pixels, out=tmp_path / "Z.npz", layers="body")
    with pytest.raises(ValueError, match="data holds text, and model takes arrays"):
        extract(module, TEXTS, out=tmp_path / "Z.npz")


def test_a_module_is_given_back_as_it_was(tmp_path):
    """Modes of its parts, tensors and their layout, hooks; what a tokenizer pads; also after an error."""

    class Unsteady(torch.nn.Module):
        """A network with a buffer, a frozen parameter and a part in evaluation."""

        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(network(), torch.nn.BatchNorm1d(4))
            self.register_buffer("shift", torch.ones(4, dtype=torch.float64))
            self.fails = False

        def forward(self, values):
            if self.fails:
                raise RuntimeError("no good")
            assert not self.training
            assert not self.body[1].training
            assert self.body[0][0].weight.is_contiguous(memory_format=torch.channels_last)
            return self.body(values) + self.shift

    module = Unsteady().train()
    module.body[0].eval()
    module.body[0][5].weight.requires_grad_(False)
    pixels = RNG.standard_normal((10, 3, 12, 12)).astype(np.float32)
    for fails in (False, True):
        module.fails = fails
        tensors = {name: (tensor, tensor.data_ptr(), tensor.stride()) for name, tensor in named_tensors(module)}
        modes = [part.training for part in module.modules()]
        call = {"out": tmp_path / f"{fails}.npz", "layers": ("body",), "device": "cpu"}
        if fails:
            with pytest.raises(RuntimeError, match="no good"):
                extract(module, pixels, **call)
        else:
            extract(module, pixels, **call)
        assert modes == [part.training for part in module.modules()]
        for name, tensor in named_tensors(module):
            before, place, stride = tensors[name]
            assert tensor is before
            assert tensor.data_ptr() == place
            assert tensor.stride() == stride
        assert not module.body._forward_hooks


def named_tensors(module):
    return [*module.named_parameters(), *module.named_buffers()]


def test_a_tokenizer_is_left_as_it_was(tmp_path, folders):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folders / "gpt")
    tokenizer.padding_side = "left"
    model = transformers.AutoModel.from_pretrained(folders / "gpt").train()
    extract((model, tokenizer), TEXTS, out=tmp_path / "X.npy")
    assert tokenizer.padding_side == "left"
    assert tokenizer.pad_token is None
    assert model.training


def test_nan_in_a_model_is_named_by_row_and_layer(tmp_path, folders):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folders / "bert")
    model = transformers.AutoModel.from_pretrained(folders / "bert")
    with torch.no_grad():
        model.encoder.layer[1].output.dense.weight[0] = torch.nan
    with pytest.raises(ValueError, match="row 0, layer 2: the model makes nan"):
        extract((model, tokenizer), TEXTS, out=tmp_path / "X.npz", layers="all")


def test_what_is_no_model_is_one_line(tmp_path, folders):
    pytest.importorskip("transformers")
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        extract(str(tmp_path), TEXTS, out=tmp_path / "X.npz")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="layers has 9: this model has 0, 1, 2"):
        extract(folders / "bert", TEXTS, out=tmp_path / "X.npz", layers=9)
    with pytest.raises(ValueError, match="device must be one of torch's that is here, got 'abacus'"):
        extract(folders / "bert", TEXTS, out=tmp_path / "X.npz", device="abacus")


def test_networks_of_timm(tmp_path):
    timm = pytest.importorskip("timm")
    image = pytest.importorskip("PIL.Image")
    torch.manual_seed(0)
    model = timm.create_model("test_resnet.r160_in1k", pretrained=False)
    pictures = [image.fromarray(picture) for picture in IMAGES]
    made = extract(model, pictures, out=tmp_path / "X.npz", batch=4, workers=1, device="cpu")
    layers = extract(model, pictures, out=tmp_path / "Y.npz", layers="all", batch=4, workers=1, device="cpu")
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    torch.set_num_threads(1)
    ends, states = [], []
    with torch.inference_mode():
        for start in range(0, 9, 4):
            values = torch.stack([transform(picture) for picture in pictures[start : start + 4]])
            values = values.contiguous(memory_format=torch.channels_last)
            ends.append(model.forward_head(model.forward_features(values), pre_logits=True))
            found = model.forward_intermediates(values, intermediates_only=True)
            states.append([state.mean((2, 3)) for state in found])
    np.testing.assert_array_equal(made.array("features"), torch.cat(ends).numpy())
    for place, (name, shape) in enumerate(layers.shapes.items()):
        expected = torch.cat([state[place] for state in states]).numpy()
        assert shape == expected.shape
        np.testing.assert_array_equal(layers.array(name), expected)


def test_memory_that_runs_out_is_of_torch_too(tmp_path):
    class Large(torch.nn.Module):
        def forward(self, values):
            if len(values) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
            return values

    notes = []
    made = extract(Large(), np.ones((10, 4), np.float32), out=tmp_path / "X.npy", batch=8, notify=notes.append)
    assert notes == [
        "out of memory with 8 rows at a time: goes on with 4",
        "out of memory with 4 rows at a time: goes on with 2",
    ]
    np.testing.assert_array_equal(made.array("features"), np.ones((10, 4)))
