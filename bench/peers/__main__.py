"""Compare with peers: ``python -m bench.peers [TOPIC ...]``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bench.peers import estimators, floors, leastsq, logistic, streams, studies, subspaces, table
from bench.peers.cases import MISSING
from bench.peers.measure import measure, record

TOPICS = {"leastsq": leastsq, "streams": streams, "subspaces": subspaces, "studies": studies, "estimators": estimators}
TOPICS |= {"logistic": logistic}
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"some of {', '.join(TOPICS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of peers.json and peers.md")
    parser.add_argument("--readme", action="store_true", help="measure nothing: put the table on file into pages")
    arguments = parser.parse_args()
    if arguments.readme:
        found = json.loads((RESULTS / "peers.json").read_text(encoding="utf-8"))
        table.put(ROOT / "docs" / "benchmarks" / "peers.md", table.short(found))
        table.put(ROOT / "README.md", table.brief(found))
        return
    unknown = set(arguments.topics) - set(TOPICS)
    if unknown:
        parser.error(f"no topic {', '.join(sorted(unknown))}: there are {', '.join(TOPICS)}")
    if MISSING:
        print(f"not installed, and so left out: {', '.join(MISSING)}", flush=True)
    machine, rows = floors.measured(arguments.quick), []
    for topic in arguments.topics or TOPICS:
        for case in TOPICS[topic].cases(arguments.quick):
            found = measure(case, machine, arguments.quick)
            rows += found
            print(
                case.what,
                case.dtype,
                *(f"{row['library']} {table.duration(row['seconds'])}" for row in found),
                sep="; ",
                flush=True,
            )
    found = record(rows, machine)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "peers.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (arguments.out / "peers.md").write_text(table.full(found), encoding="utf-8")


if __name__ == "__main__":
    main()
