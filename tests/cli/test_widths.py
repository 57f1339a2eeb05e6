"""Tables and sentences on terminals of every width: no number and no word is broken, and no line too long."""

import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.terminals import WIDTHS, require_whole
from w2s_fast import GaussianModel, Study, Task, cli, probe
from w2s_fast.cli import layout, output, table
from w2s_fast.cli.layout import Column, blocks, print_columns

UNLIMITED = 10**5
LONG = "a teacher whose name is longer than most terminals are wide, and with-a-word-of-quite-some-letters"


def family(d_shared):
    return GaussianModel.paper(6, 4, d_shared, d_target=9)


@pytest.fixture
def shown(capsys, monkeypatch):
    """What a call prints on a terminal of a width."""

    def at(width, call):
        monkeypatch.setenv("COLUMNS", str(width))
        call()
        return capsys.readouterr().out

    return at


def features(columns):
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((80, 4))
    y = np.sign(strong[:, 0] + 0.1 * rng.standard_normal(80))
    return {"w" * 30: strong[:, :2], LONG: strong[:, :1]}, {"s": strong}, np.column_stack([y] * columns)


@pytest.fixture(scope="module")
def calls():
    """Every table there is but for those of tasks, and sentences of commands."""
    grid = {"n": [[12], [2_000_000]], "N": [9, 30, 10**12], "trials": 3}
    synthetic = Study(family, **grid, d_shared=[1, 3], ridge=[0.0, 0.5], title=LONG).run(progress=False)
    weak, strong, y = features(1)
    task = Task.of(weak[LONG], strong["s"], y[:, 0], ridge=0.0)
    real = Study(task, n=[10, 20], N=[15, 40], trials=3, title=LONG).run(progress=False)
    pairs = probe(*features(3), n=[[3], [10]], N=[15, 40], trials=3, decompose=True, ridge=0.0)
    words = [["0.436±0.007", LONG, "1.4±0.2; 0.5642±0.0081"], ["-", "short", "undecided"]]
    return {
        "synthetic": lambda: table.print_series(synthetic.series(), LONG),
        "real": lambda: table.print_series(real.series(), "[bold]real[/bold]"),
        "both": lambda: table.print_series([*synthetic.series(), *real.series()], "both"),
        "pairs": lambda: table.print_trials(pairs),
        "cells": lambda: table.print_cells(("a number", "words", "more of them"), words, LONG),
        "words": lambda: table.print_words(("claim", "words", "more of them"), words, "Claims"),
        "sentence": lambda: output.say(f"1,234,567 of 7,654,321; Written: {LONG}"),
    }


KINDS = ("synthetic", "real", "both", "pairs", "cells", "words", "sentence")


@pytest.mark.compiled
@pytest.mark.parametrize("width", [20, *WIDTHS, 200])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_broken_at_any_width(kind, width, calls, shown):
    require_whole(shown(width, calls[kind]), width, shown(UNLIMITED, calls[kind]))


def test_the_check_can_fail():
    for broken in ("0.436±0.0\n07", "0.436±0.007 and far more than fits", "0.436"):
        with pytest.raises(AssertionError):
            require_whole(broken, 12, "0.436±0.007")


@pytest.mark.compiled
@pytest.mark.parametrize("width", WIDTHS)
def test_commands_obey_the_width(width, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    sizes = ["--d-weak=6", "--d-strong=4", "--d-target=9"]
    commands = [
        ["sweep", *sizes, "--d-shared=1,3", "--n=12", "--N=9,30", "--trials=3"],
        ["report", "study.sqlite", "--format=csv"],
    ]
    commands += [["plan", *sizes, "--d-shared=1", "--n=40", "--pgr=0.1", "--certainty=0"], ["info"]]
    for arguments in commands:
        found = {}
        for columns in (UNLIMITED, width):
            monkeypatch.setenv("COLUMNS", str(columns))
            monkeypatch.setattr(sys, "argv", ["w2s-fast", *arguments])
            cli.main()
            found[columns] = capsys.readouterr().out
        timed = arguments[0] == "info"  # whose libraries come in any order
        require_whole(found[width], width, "" if timed else found[UNLIMITED])


def test_a_pipe_takes_lines_of_any_length(calls, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    calls["sentence"]()
    assert capsys.readouterr().out.count("\n") == 1
    calls["synthetic"]()
    assert all(re.search(r"N +weak +baseline.*OPR|^n +weak", line) for line in capsys.readouterr().out.splitlines()
               if "weak" in line)  # fmt: skip


def test_a_table_that_fits_is_one_block():
    columns = [Column(name, [name * 5]) for name in "abcdefg"]
    assert blocks(columns, 1, 47) == [columns]
    assert [len(block) for block in blocks(columns, 1, 46)] == [4, 4]  # even ones: key and three each
    assert [len(block) for block in blocks(columns, 1, 12)] == [2] * 6
    assert blocks(columns, 1, 11) == []


CELLS = st.text("ab 0123±雪", max_size=30)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6), st.integers(1, 2), st.integers(20, 90)
)
def test_blocks_hold_every_column_and_fit(rows, keys, room):
    columns = [Column(name, [row[place] for row in rows]) for place, name in enumerate(("n", "a name", "雪雪"))]
    found = blocks(columns, keys, room)
    for block in found:
        assert sum(column.least for column in block) + layout.GAP * (len(block) - 1) <= room
        assert block[:keys] == columns[:keys]
    if found:
        assert [column for block in found for column in block[keys:]] == columns[keys:]
    else:
        assert sum(column.least for column in columns) + 2 * layout.GAP > room
    assert all(column.least >= cell_len(word) for column in columns for x in column.cells for word in x.split())


def test_rows_of_second_rank_and_hostile_names_print(shown):
    columns = [Column("n", ["1", ""]), Column("[red]\x1b[31m", ["[/]", "x"])]
    text = shown(80, lambda: print_columns(columns, 1, dim=[False, True]))
    assert "[/]" in text
    assert "\x1b" not in text
