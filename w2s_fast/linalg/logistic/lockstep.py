"""Several fits at a time: what they ask of the same rows is answered by one pass."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

from w2s_fast.linalg.logistic.objective import Question, Value, values

Result = TypeVar("Result")
Asking = Generator[Question, Value, Result]  # work that asks for values of objectives, and ends with a result

MOST_COLUMNS = 1_024  # of weights in one pass, for what threads hold of a block


def answered(work: Sequence[Asking[Result]]) -> list[Result]:
    """Run works side by side to their ends, in each round one question of each."""
    results: dict[int, Result] = {}
    answers: dict[int, Value | None] = dict.fromkeys(range(len(work)))
    while answers:
        questions: dict[int, Question] = {}
        for place, answer in answers.items():
            try:
                questions[place] = next(work[place]) if answer is None else work[place].send(answer)
            except StopIteration as end:
                results[place] = end.value
        answers = {}
        for places in _passes(questions):
            answers.update(zip(places, values([questions[place] for place in places]), strict=True))
    return [results[place] for place in range(len(work))]


def _passes(questions: dict[int, Question]) -> Iterable[list[int]]:
    """Part questions into those that one pass answers."""
    kinds: dict[tuple[object, ...], list[int]] = {}
    for place, question in questions.items():
        kinds.setdefault(question.kind, []).append(place)
    for places in kinds.values():
        most = max(MOST_COLUMNS // questions[places[0]].weights.shape[1], 1)
        yield from (places[first : first + most] for first in range(0, len(places), most))
