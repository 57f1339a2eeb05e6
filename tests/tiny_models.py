"""Tiny random models of transformers in folders, texts for them, and the plain loop of their own library."""

import contextlib
import hashlib
import json
import shutil

import numpy as np
import pytest

from w2s_fast.features.batches import cuts

torch = pytest.importorskip("torch")

WORDS = ["good", "bad", "film", "book", "very", "not", "the", "a"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<|end|>"]
VOCABULARY = {word: place for place, word in enumerate([*SPECIAL, *WORDS])}
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, 1 + number % 11)) for number in range(70)]
IMAGES = RNG.integers(0, 256, (9, 40, 30, 3)).astype(np.uint8)
BATCH = 8
PLACES = 20  # tokens that models of texts take
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
OF_TEXTS = {"vocab_size": len(VOCABULARY), **SIZES}
OF_IMAGES = {**SIZES, "image_size": 16, "patch_size": 8}


def tokenizer_of(**extra):
    """Words at spaces, with no special ones around a text."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    extra = {"model_max_length": PLACES, "model_input_names": ["input_ids", "attention_mask"], **extra}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **extra)


def save(folder, *parts):
    """Save a model and what prepares its input, as their library does."""
    for part in parts:
        part.save_pretrained(folder)


def bert_config():
    transformers = pytest.importorskip("transformers")
    return transformers.BertConfig(**OF_TEXTS, max_position_embeddings=PLACES, num_labels=3)


def plain(folder, pooled, batch=BATCH, texts=TEXTS, made="AutoModel", **options):
    """Hidden states of the library's own loop, at the batches that an extraction has; (rows, layers, d)."""
    import transformers

    model = getattr(transformers, made).from_pretrained(folder).eval()

    def states_of(inputs):
        states = model(**inputs, output_hidden_states=True).hidden_states
        return torch.stack([pooled(state, inputs["attention_mask"]) for state in states], 1)

    return in_batches(folder, states_of, batch, texts, **options)


def in_batches(folder, rows_of, batch=BATCH, texts=TEXTS, **options):
    """What a function makes of tokens, over batches of texts of like length, with one thread."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    options = {"padding": True, "return_tensors": "pt", **options}
    filled = "max_length" if options["padding"] == "max_length" else False
    lengths = [len(tokens) for tokens in tokenizer(texts, padding=filled)["input_ids"]]
    found = None
    with one_thread():
        for part in cuts(lengths, len(texts), batch):
            rows = rows_of(tokenizer([texts[place] for place in part], **options)).numpy()
            if found is None:
                found = np.empty((len(texts), *rows.shape[1:]), rows.dtype)
            found[part] = rows
    return found


@contextlib.contextmanager
def one_thread():
    """Run torch without gradients, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)


def mean(state, mask):
    mask = mask.unsqueeze(-1).to(state.dtype)
    return (state * mask).sum(1) / mask.sum(1)


def last(state, mask):
    return torch.stack([row[int(count) - 1] for row, count in zip(state, mask.sum(1), strict=True)])


POOLED = {"mean": mean, "cls": lambda state, mask: state[:, 0], "last": last}


def sentence_folder(encoder, path, parts, pooling, inside=""):
    """A folder of sentence-transformers around an encoder that is in a folder."""
    (path / inside).mkdir(parents=True)
    for file in encoder.iterdir():
        (path / inside / file.name).write_bytes(file.read_bytes())
    modules = [{"idx": place, "name": str(place), "path": inside if not place else f"{place}_{part}",
                "type": f"sentence_transformers.models.{part}"} for place, part in enumerate(parts)]  # fmt: skip
    (path / "modules.json").write_text(json.dumps(modules))
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (path / inside / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 6}))
    return path


def in_cache(cache, name, folder, *absent):
    """Put a folder into a cache of the hub's, as its library keeps a repository; files it knows to be absent."""
    place = cache / f"models--{name.replace('/', '--')}"
    revision = hashlib.sha1(name.encode()).hexdigest()
    shutil.copytree(folder, place / "snapshots" / revision)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(revision)
    for file in absent:
        (place / ".no_exist" / revision).mkdir(parents=True)
        (place / ".no_exist" / revision / file).touch()
    return revision
