"""Whose a file is: a command writes over what an earlier run of one left, which is told by what is in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

LOOKED_AT = 16_384  # bytes at the start of a file, which name its maker
MARKS = {
    ".png": rb"tEXtSoftware\x00w2s_fast",
    ".svg": rb"<dc:title>w2s_fast</dc:title>",
    ".html": rb"made with w2s_fast [0-9]",
    ".csv": rb"\A(study,[^\r\n]*,n,N,metric,trials,mean,stderr,|pair,weak,strong,shared,overlap,pgr,"
    rb"|study,axis,unseen,n,N,metric,paper_bound,expected\r?\n"
    rb"|teacher,variance_share,overlap,shed,|claim,measured,of,mean,stderr,verdict\r?\n)",
}
RECORDS = ({"title", "settings", "n", "N", "seeds", "complete", "runs", "table"}, {"versions", "seconds", "studies"})


def require_ours(paths: Iterable[Path], overwrite: bool, read: Path | None = None) -> None:
    """Refuse, before the work, to write over another's file unless told to ``overwrite``, or over what was ``read``."""
    for path in paths:
        if read is not None and path.exists() and path.samefile(read):
            raise FileExistsError(f"{path} is the study that is reported: name a folder for the report with --out")
        if path.exists() and not overwrite and not made_here(path):
            raise FileExistsError(
                f"{path} is there and was not made by this command: move it, name another folder with --out, or pass "
                "--overwrite"
            )


def made_here(path: Path) -> bool:
    """Whether a file looks as those that we write do."""
    if not path.is_file():
        return False
    if path.suffix == ".json":
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return False
        return isinstance(content, dict) and any(content.keys() >= keys for keys in RECORDS)
    with path.open("rb") as file:
        return path.suffix in MARKS and re.search(MARKS[path.suffix], file.read(LOOKED_AT)) is not None
