"""``w2s-fast extract``: from models and data to features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from w2s_fast.cli.options import json_option, print_json, quiet_option
from w2s_fast.cli.output import complain, say


def layer(text: str) -> Any:
    """Read "all", numbers divided by commas, or names of modules.

    >>> layer("all"), layer("-1"), layer("0,4,8"), layer("layer3,layer4")
    ('all', -1, (0, 4, 8), ('layer3', 'layer4'))
    """
    found = tuple(int(part) if part.lstrip("+-").isdecimal() else part for part in map(str.strip, text.split(",")))
    return found[0] if len(found) == 1 else found


@click.command()
@click.option("--model", "models", multiple=True, required=True, help="Name or folder; several: a group of --out each.")
@click.option("--data", required=True, help="A table, a text file with a row a line, a folder of images, a data set.")
@click.option("--column", help="Of tables: where texts or images are.")
@click.option("--labels", help="Of tables: a column that is kept beside the features; words become 0, 1, ...")
@click.option("--split", help="Of a data set that has several.")
@click.option("--out", required=True, help="A folder .zarr, or a file .npy, .npz or .safetensors.")
@click.option("--layers", type=layer, help="all, or numbers or names such as 0,6,-1.  [default: what the model gives]")
@click.option(
    "--pooling", type=click.Choice(["mean", "cls", "last"]), help="Of tokens.  [default: the model's, or mean]"
)
@click.option("--logits", is_flag=True, help="What the model's head gives, instead.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Cut longer texts.  [default: what the model takes]")
@click.option(
    "--dtype", type=click.Choice(["float16", "float32"]), default="float32", show_default=True, help="Of --out."
)
@click.option("--device", help="Of torch, such as cpu or cuda:1.  [default: a GPU if there is one]")
@click.option("--batch", type=click.IntRange(min=1), help="Rows at a time; fewer when memory runs out.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Threads; one a core by default.")
@click.option("--overwrite", is_flag=True, help="Begin anew what was made of other data or by another model.")
@json_option
@quiet_option
def extract(**options: Any) -> None:
    """Make features of each row of data by models, into files that probe, sweep and inspect read.

    Models are folders or names of transformers and of sentence-transformers; timm:NAME and folders that timm saved;
    torchvision:NAME. Rows keep their order. After Ctrl-C or a crash the same command goes on behind the last whole
    chunk, and ends with the same numbers.

    \b
    Examples:
      w2s-fast extract --model ./minilm --data reviews.csv --column text --labels stars --out features.zarr
      w2s-fast extract --model ./small --model ./large --data reviews.csv --column text --out both.zarr
      w2s-fast extract --model timm:resnet18 --data photos/ --layers all --dtype float16 --out layers.zarr
    """  # noqa: D301  click wants the character
    from w2s_fast.features.extraction import extract as run
    from w2s_fast.features.items import read
    from w2s_fast.study.progress import progress_bar

    models, out, quiet, as_json = (options.pop(name) for name in ("models", "out", "quiet", "as_json"))
    data = read(*(options.pop(name) for name in ("data", "column", "labels", "split")))
    places = places_of(models, out)
    made = []
    for model, place in places.items():
        with progress_bar(f"features: {Path(model).name}", not quiet) as bar:
            made.append(run(model, data, out=place, progress=bar, notify=_notify, **options))
    if as_json:
        print_json([{"path": str(one.path), **one.manifest} for one in made])
    elif not quiet:
        for one in made:
            for name, shape in one.shapes.items():
                say(f"{one.where(name)}: {' x '.join(f'{size:,}' for size in shape)}")


def places_of(models: tuple[str, ...], out: str) -> dict[str, str]:
    """Where features of each model go: to ``out``, or to a group in it that is named as the model is."""
    if len(models) == 1:
        return {models[0]: out}
    if Path(out).suffix != ".zarr":
        raise click.UsageError("several models need a folder .zarr as --out: each becomes a group in it")
    names = [Path(model.partition("@")[0].rpartition(":")[2]).name for model in models]
    if len(set(names)) < len(names):
        raise click.UsageError(f"--model names models alike, {', '.join(names)}: extract them into files of their own")
    return {model: f"{out}/{name}" for model, name in zip(models, names, strict=True)}


def _notify(message: str) -> None:
    complain(f"w2s-fast: {message}")
