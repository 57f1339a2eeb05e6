"""Figures left blank, for tests of the files around them: drawing is most of the work of a report."""

from w2s_fast.study import figures, page
from w2s_fast.tasks import report, reproduce


def leave_blank(monkeypatch):
    """Write empty figures, by the writer of all figures, in place of drawn ones."""

    def empty(*arguments, **options):
        return figures.new_figure((1, 1), 1, 1)[0]

    def write_empty(*arguments):
        figures.write(empty(), arguments[-1])

    for module in (figures, page):
        for name in ("panels", "comparison"):
            monkeypatch.setattr(module, name, empty)
    for module, names in ((reproduce, ("draw_bounds", "draw_descent", "draw_growth")), (report, ("draw_against",))):
        for name in names:
            monkeypatch.setattr(module, name, write_empty)
