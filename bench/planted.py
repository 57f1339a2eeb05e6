"""Does asv find a slowdown, and keep quiet without one? ``python -m bench.planted``, some five minutes.

In a clone of this repository, at its last commit, three commits are compared by ``asv continuous``: that one, one that
changes nothing, and one in which ``Moments.update`` does its work twice.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

WATCHED = "Update.time_update"  # of moments, which slow down, and of Gram matrices, which do not
FACTOR = "1.5"
CLEAN, SLOWER = 0, 1  # asv's exit status
SLOWDOWN = """

_update_once = Moments.update


def _update_twice(self, rows, **settings):
    _update_once(Moments(), rows, **settings)
    return _update_once(self, rows, **settings)


Moments.update = _update_twice
"""


def git(clone: Path, *arguments: str) -> None:
    author = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    subprocess.run(["git", "-C", clone, *author, *arguments], check=True)


def slower(clone: Path) -> tuple[int, set[str]]:
    """Compare the last two commits; return asv's exit status and the benchmarks that it says got slower."""
    command = [sys.executable, "-m", "asv", "continuous", "--factor", FACTOR, "--bench", WATCHED, "HEAD~1", "HEAD"]
    done = subprocess.run(command, check=False, cwd=clone, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| +")]
    return done.returncode, {row[-2].split("(")[0].strip() for row in rows}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "w2s_fast")
        subprocess.run(["git", "clone", "--quiet", ".", clone], check=True)
        git(clone, "checkout", "--quiet", "-B", "main")
        subprocess.run([sys.executable, "-m", "asv", "machine", "--yes"], cwd=clone, check=True)
        git(clone, "commit", "--quiet", "--allow-empty", "-m", "Nothing changes")
        identical = slower(clone)
        module = clone / "w2s_fast/linalg/accumulate/moments.py"
        module.write_text(module.read_text() + SLOWDOWN)
        git(clone, "commit", "--quiet", "--all", "-m", "Moments take twice as long")
        planted = slower(clone)
    right = identical == (CLEAN, set()) and planted == (SLOWER, {"bench_moments.Update.time_update"})
    print(f"identical commit: {identical}\nplanted slowdown: {planted}\n{'as it should be' if right else 'WRONG'}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
