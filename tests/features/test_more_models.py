"""Encoders of encoder-decoders, towers of text and images, decoders, maps of convolutions: as their library's loop."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.tiny_models import (  # noqa: E402
    BATCH,
    IMAGES,
    OF_IMAGES,
    OF_TEXTS,
    PLACES,
    POOLED,
    TEXTS,
    VOCABULARY,
    in_batches,
    one_thread,
    plain,
    save,
    tokenizer_of,
)
from w2s_fast.features import extract  # noqa: E402

IDS = {"pad_token_id": 0, "bos_token_id": 4, "eos_token_id": 4}
HEAD = {"num_labels": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of tiny models, as their library saves them."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    padding, ending = tokenizer_of(pad_token="[PAD]"), tokenizer_of(eos_token="<|end|>")
    t5 = transformers.T5Config(
        vocab_size=len(VOCABULARY), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
        pad_token_id=0, eos_token_id=4, decoder_start_token_id=0,
    )  # fmt: skip
    save(folder / "t5", transformers.T5ForConditionalGeneration(t5), padding)
    save(folder / "t5_encoder", transformers.T5EncoderModel(t5), padding)
    modern = transformers.ModernBertConfig(
        **OF_TEXTS, **IDS, max_position_embeddings=PLACES, cls_token_id=2, sep_token_id=3
    )
    save(folder / "modernbert", transformers.ModernBertModel(modern), padding)
    roberta = transformers.RobertaConfig(**OF_TEXTS, **IDS, **HEAD, max_position_embeddings=12)
    save(
        folder / "roberta", transformers.RobertaModel(roberta), tokenizer_of(pad_token="[PAD]", model_max_length=10**9)
    )
    llama = transformers.LlamaConfig(
        **OF_TEXTS, **HEAD, num_key_value_heads=1, max_position_embeddings=PLACES, bos_token_id=4, eos_token_id=4
    )
    save(folder / "llama", transformers.LlamaModel(llama), ending)
    save(folder / "llama_head", transformers.LlamaForSequenceClassification(llama), ending)
    of_texts = {**OF_TEXTS, **IDS, "max_position_embeddings": PLACES}
    clip = transformers.CLIPConfig(text_config=of_texts, vision_config=OF_IMAGES, projection_dim=8)
    save(folder / "clip", transformers.CLIPModel(clip), padding)
    siglip = transformers.SiglipConfig(text_config=of_texts, vision_config=OF_IMAGES)
    without_mask = tokenizer_of(pad_token="[PAD]", model_input_names=["input_ids"])
    save(folder / "siglip", transformers.SiglipModel(siglip), without_mask)
    sizes = {name: size for name, size in OF_IMAGES.items() if name != "intermediate_size"}
    save(folder / "dinov2", transformers.Dinov2Model(transformers.Dinov2Config(**sizes, mlp_ratio=2)))
    convnext = transformers.ConvNextConfig(hidden_sizes=[8, 12, 16, 16], depths=[1, 1, 1, 1])
    save(folder / "convnext", transformers.ConvNextModel(convnext))
    return folder


@pytest.mark.parametrize(
    ("name", "made", "pooling"),
    [
        ("t5", "T5EncoderModel", "mean"),
        ("t5_encoder", "T5EncoderModel", "mean"),
        ("modernbert", "ModernBertModel", "cls"),
        ("llama", "LlamaModel", "last"),
        ("clip", "CLIPTextModel", "last"),
    ],
)
def test_texts_are_bit_for_bit_those_of_a_plain_loop(tmp_path, folders, name, made, pooling):
    expected = plain(folders / name, POOLED[pooling], made=made)
    options = {"pooling": pooling, "batch": BATCH, "device": "cpu"}
    layers = extract(folders / name, TEXTS, out=tmp_path / "all.npz", layers="all", **options)
    np.testing.assert_array_equal(layers.array("hidden"), expected)
    model = getattr(transformers, made).from_pretrained(folders / name).eval()

    def rows_of(inputs):
        return POOLED[pooling](model(**inputs).last_hidden_state, inputs["attention_mask"])

    end = extract(folders / name, TEXTS, out=tmp_path / "end.npy", **options)
    np.testing.assert_array_equal(end.array("features"), in_batches(folders / name, rows_of))


def test_places_that_begin_behind_the_number_of_padding(tmp_path, folders):
    """RoBERTa's twelve leave out those of its padding and before: eleven tokens."""
    texts = [*TEXTS, " ".join(["film"] * 30)]
    made = extract(folders / "roberta", texts, out=tmp_path / "X.npz", layers="all", batch=BATCH, device="cpu")
    expected = plain(folders / "roberta", POOLED["mean"], texts=[" ".join(text.split()[:11]) for text in texts])
    np.testing.assert_array_equal(made.array("hidden"), expected)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_without_a_mask_texts_are_filled_up(tmp_path, folders, pooling):
    """SigLIP has seen padding as text: it reads its row off the last place, whatever is there."""
    model = transformers.SiglipTextModel.from_pretrained(folders / "siglip").eval()

    def rows_of(inputs):
        assert inputs["input_ids"].shape[1] == PLACES
        states = model(**inputs).last_hidden_state
        return states.mean(1) if pooling == "mean" else states[:, -1]

    expected = in_batches(folders / "siglip", rows_of, padding="max_length")
    made = extract(folders / "siglip", TEXTS, out=tmp_path / "X.npy", pooling=pooling, batch=BATCH, device="cpu")
    np.testing.assert_array_equal(made.array("features"), expected)


def test_logits_of_a_decoder_are_at_the_last_token_of_the_text(tmp_path, folders):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders / "llama_head")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folders / "llama_head").eval()
    options = {"logits": True, "batch": BATCH, "device": "cpu"}
    made = extract(folders / "llama_head", TEXTS, out=tmp_path / "X.npy", **options).array("logits")
    pair = extract((model, tokenizer), TEXTS, out=tmp_path / "Y.npy", **options).array("logits")
    assert model.config.pad_token_id is None
    with torch.no_grad():
        alone = np.concatenate([model(**tokenizer(text, return_tensors="pt")).logits for text in TEXTS])
    model.config.pad_token_id = tokenizer.eos_token_id
    expected = in_batches(folders / "llama_head", lambda inputs: model(**inputs).logits)
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(pair, expected)
    np.testing.assert_allclose(made, alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "made", "pooling"),
    [
        ("clip", "CLIPVisionModel", "cls"),
        ("siglip", "SiglipVisionModel", "mean"),
        ("dinov2", "Dinov2Model", "cls"),
        ("convnext", "ConvNextModel", "mean"),
    ],
)
def test_images_are_bit_for_bit_those_of_a_plain_loop(tmp_path, folders, name, made, pooling):
    image = pytest.importorskip("PIL.Image")
    pictures = [image.fromarray(picture) for picture in IMAGES]
    side = 32 if name == "convnext" else 16
    prepare = transformers.ViTImageProcessor(size={"height": side, "width": side})
    prepare.save_pretrained(folders / name)
    model = getattr(transformers, made).from_pretrained(folders / name).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folders / name)(images=pictures, return_tensors="pt")
    with one_thread():
        found = model(pixel_values=pixels["pixel_values"], output_hidden_states=True)
    options = {"pooling": pooling, "device": "cpu"}
    end = extract(folders / name, pictures, out=tmp_path / "end.npy", **options)
    np.testing.assert_array_equal(end.array("features"), _row(found.last_hidden_state, pooling))
    layers = extract(folders / name, pictures, out=tmp_path / "all.npz", layers="all", **options)
    for place, state in enumerate(found.hidden_states):
        row = layers.array(f"hidden/{place}") if name == "convnext" else layers.array("hidden")[:, place]
        np.testing.assert_array_equal(row, _row(state, pooling))
    arrays = extract(folders / name, list(pixels["pixel_values"].numpy()), out=tmp_path / "arrays.npy", **options)
    np.testing.assert_allclose(arrays.array("features"), end.array("features"), rtol=1e-3, atol=1e-5)


def _row(state, pooling):
    if state.ndim == 4:
        return state.mean((2, 3))
    return state.mean(1) if pooling == "mean" else state[:, 0]


@pytest.mark.parametrize(
    ("name", "kind", "options", "said"),
    [
        ("dinov2", "texts", {}, "has no tokenizer for such data: take a model that has one, or save it beside"),
        ("llama", "images", {}, "has no image processor for such data: take a model that has one"),
        ("llama", "arrays", {}, "LlamaModel, does not take arrays alone: pass a function"),
        ("llama", "texts", {"logits": True}, "LlamaModel, has no head: leave logits out, or name a classifier"),
        ("t5", "texts", {"logits": True}, "does not take texts alone: leave logits out, or name a classifier"),
        (
            "roberta",
            "long texts",
            {"max_tokens": 12},
            "max_tokens must be at most 11, the places of RobertaModel, got 12",
        ),
        ("clip", "texts", {"logits": True}, "CLIPModel, does not take texts alone: leave logits out"),
    ],
)
def test_what_a_model_does_not_take_is_one_line(tmp_path, folders, name, kind, options, said):
    data = {"texts": TEXTS, "long texts": [" ".join(["film"] * 30)]}.get(kind, IMAGES)
    if kind == "images":
        data = [pytest.importorskip("PIL.Image").fromarray(picture) for picture in IMAGES]
    with pytest.raises(ValueError, match=said) as caught:
        extract(folders / name, data, out=tmp_path / "X.npz", **options)
    assert "\n" not in str(caught.value)
