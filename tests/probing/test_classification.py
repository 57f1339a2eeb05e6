"""Classes, pseudo-labels, noise, given teachers, chosen ridges: the numbers of plain loops over scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV

from w2s_fast import GaussianModel, Predictions, Study, Task, probe
from w2s_fast._random import stream
from w2s_fast.probing.coding import Coding
from w2s_fast.probing.data import Features
from w2s_fast.probing.design import SPLITS, Design
from w2s_fast.probing.estimators.chosen import DRAW
from w2s_fast.probing.noise import flipped

RISKS = ("weak", "baseline", "ceiling", "w2s")
ROWS, TEST, POINTS = 400, 100, ((30, 80), (30, 150), (60, 150))
rng = np.random.default_rng(0)
Z = rng.standard_normal((ROWS, 7))
WEAK, STRONG = Z[:, :4] + 0.5 * rng.standard_normal((ROWS, 4)), Z[:, 1:]
SCORE = Z[:, 1] + 0.7 * Z[:, 2] + 0.8 * rng.standard_normal(ROWS)
SIGNS = np.where(SCORE > 0, 1.0, -1.0)
NAMES = np.array(["b", "a", "c"])[np.digitize(SCORE, [-0.6, 0.5])]
ONE_HOT = (NAMES[:, None] == np.array(["a", "b", "c"])).astype(float)


# The oracle: labels are columns, one of signs or of zeros and ones, else one a class


def ridge_fit(X, Y, penalty, intercept):
    """A function that predicts columns."""
    model = Ridge(alpha=penalty, fit_intercept=intercept, solver="svd").fit(X, Y)
    return lambda rows: model.predict(rows).reshape(len(rows), *np.shape(Y)[1:])


def softmax_fit(X, Y, penalty, intercept):
    """Each row once a class, weighted by its probability: what scikit-learn takes for soft labels."""
    P = np.hstack((1 - Y, Y)) if Y.shape[1] == 1 else Y
    K = P.shape[1]
    model = LogisticRegression(C=1 / penalty, fit_intercept=intercept, solver="newton-cholesky", tol=1e-10)
    model.fit(np.repeat(X, K, axis=0), np.tile(np.arange(K), len(X)), sample_weight=P.ravel())
    return lambda rows: model.predict_proba(rows)[:, -1:] if Y.shape[1] == 1 else model.predict_proba(rows)


FITS = {"ridge": ridge_fit, "softmax": softmax_fit}


def to_probabilities(labels, signs):
    found = np.clip((labels + 1) / 2 if signs else labels, 0, 1)
    if found.shape[1] == 1:
        return found
    found[found.sum(axis=1) == 0] = 1.0  # of nothing every class alike
    return found / found.sum(axis=1, keepdims=True)


def plain_fit(kind, X, labels, penalty, intercept, signs):
    if kind == "ridge":
        return ridge_fit(X, labels, penalty, intercept)
    said = softmax_fit(X, to_probabilities(labels, signs), penalty, intercept)
    return lambda rows: 2 * said(rows) - 1 if signs else said(rows)


def hard(said, signs):
    if said.shape[1] > 1:
        return np.eye(said.shape[1])[said.argmax(axis=1)]
    return np.where(said > 0, 1.0, -1.0) if signs else (said > 0.5).astype(float)


def confidence(said, signs):
    return said.max(axis=1) if said.shape[1] > 1 else np.abs(said[:, 0] - (0.0 if signs else 0.5))


def plain_trial(Y, labelled, pseudo, test, *, fits, ridges, intercept, pseudo_labels, confident, rounds, weak=WEAK):
    """Mean squared errors of the four fits, a column of labels each."""
    signs = set(np.unique(Y)) == {-1.0, 1.0}

    def fitted(kind, X, labels, penalty):
        return plain_fit(kind, X, labels, penalty, intercept, signs)

    teacher = fitted(fits[0], weak[labelled], Y[labelled], ridges[0])
    both = np.concatenate((labelled, pseudo))
    said = teacher(weak[pseudo])
    for _ in range(rounds):
        kept = np.argsort(-confidence(said, signs), kind="stable")[: max(1, round(confident * len(pseudo)))]
        labels = said if pseudo_labels == "soft" else hard(said, signs)
        student = fitted(fits[1], STRONG[pseudo[kept]], labels[kept], ridges[1])
        said = student(STRONG[pseudo])
    predicted = [
        teacher(weak[test]),
        fitted(fits[1], STRONG[labelled], Y[labelled], ridges[1])(STRONG[test]),
        fitted(fits[1], STRONG[both], Y[both], ridges[1])(STRONG[test]),
        student(STRONG[test]),
    ]
    return [np.mean((each - Y[test]) ** 2, axis=0) for each in predicted]


def drawn(seed, trial):
    """Rows of every point, and the test rows."""
    pools, _, test = Task.of(WEAK, STRONG, SIGNS, TEST).split(seed)
    order, most = stream(seed, SPLITS, trial).permutation(pools[0]), max(n for n, _ in POINTS)
    return [(order[:n], order[most : most + N]) for n, N in POINTS], test


def require_plain(found, Y, seed, rtol=1e-6, **how):
    how = {"intercept": False, "pseudo_labels": "soft", "confident": 1.0, "rounds": 1} | how
    errors = np.stack([getattr(found, name) for name in RISKS], axis=1)  # (points, 4, [k,] trials)
    for trial in range(errors.shape[-1]):
        rows, test = drawn(seed, trial)
        for point, (labelled, pseudo) in enumerate(rows):
            expected = np.stack(plain_trial(Y, labelled, pseudo, test, **how))
            if errors.ndim == 3:  # one target, of one column or of classes together
                expected = expected.sum(axis=1)
            np.testing.assert_allclose(errors[point, ..., trial], expected, rtol=rtol)


def run(weak, y, **how):
    n, N = zip(*POINTS, strict=True)
    return probe(weak, STRONG, y, n=n, N=N, trials=how.pop("trials", 2), test=TEST, seed=3, **how)


LABELS = {
    "signs": (SIGNS, SIGNS[:, None]),
    "zeros and ones": (SIGNS > 0, (SIGNS[:, None] > 0) + 0.0),
    "names": (NAMES, ONE_HOT),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(
    "how",
    [
        {"pseudo_labels": "hard"},
        {"pseudo_labels": "hard", "confident": 0.5, "intercept": True},
        {"confident": 0.3},
        {"pseudo_labels": "hard", "rounds": 3},
        {"rounds": 3, "intercept": True},
        {"pseudo_labels": "hard", "confident": 0.7, "rounds": 2},
    ],
)
def test_pseudo_labels_of_ridge(labels, how):
    y, Y = LABELS[labels]
    found = run(WEAK, y, ridge=(0.5, 2.0), **how)
    require_plain(found, Y, 3, fits=("ridge", "ridge"), ridges=(0.5, 2.0), **how)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(
    "how",
    [
        {"fits": ("softmax", "softmax"), "intercept": True},
        {"fits": ("softmax", "softmax"), "pseudo_labels": "hard", "confident": 0.6},
        {"fits": ("ridge", "softmax")},
        {"fits": ("softmax", "ridge"), "intercept": True, "rounds": 2},
    ],
)
def test_classifiers_teach_and_learn(labels, how):
    y, Y = LABELS[labels]
    options = {name: value for name, value in how.items() if name != "fits"}
    found = run(WEAK, y, fit=how["fits"], ridge=(1.0, 2.0), trials=1, **options)
    require_plain(found, Y, 3, rtol=1e-5, ridges=(1.0, 2.0), **how)
    assert not found.ill_conditioned.w2s.any()


def test_soft_labels_are_taken_for_what_they_are():
    p = np.column_stack((1 / (1 + np.exp(-SCORE)), 1 / (1 + np.exp(SCORE))))
    both, one = (run(WEAK, y, fit="softmax", ridge=1.0, trials=1) for y in (p, p[:, 1]))
    assert np.array_equal(both.w2s, one.w2s)
    require_plain(one, p[:, 1:], 3, fits=("softmax", "softmax"), ridges=(1.0, 1.0), rtol=1e-5)


def test_separable_classes_without_a_penalty_are_flagged():
    apart = np.where(STRONG[:, 0] > 0, 1.0, -1.0)
    found = run(WEAK, apart, fit="softmax", ridge=(1.0, 0.0), trials=1)
    assert found.ill_conditioned.baseline.all()
    assert found.separable.baseline.all()
    assert not found.separable.weak.any()
    assert not found.ill_conditioned.weak.any()
    assert np.isnan(found.summary()["opr"].mean).all()


def test_ridgeless_students_of_themselves_stay_what_they_are():
    first, fourth = (run(WEAK, SCORE, ridge=0.0, rounds=rounds) for rounds in (1, 4))
    np.testing.assert_allclose(fourth.w2s, first.w2s, rtol=1e-9)


def test_signs_are_hard_labels_of_signs():
    sign, hard_ones = (run(WEAK, SIGNS, pseudo_labels=kind) for kind in ("sign", "hard"))
    assert np.array_equal(sign.w2s, hard_ones.w2s)


def test_whole_numbers_are_classes_where_fits_need_them():
    numbers = np.array([7, 3, 12])[np.digitize(SCORE, [-0.6, 0.5])]
    in_order = np.where(numbers == 3, "a", np.where(numbers == 7, "b", "c"))
    found, expected = (run(WEAK, y, pseudo_labels="hard") for y in (numbers, in_order))
    assert np.array_equal(found.w2s, expected.w2s)
    assert found.w2s.shape == (3, 2)
    assert np.array_equal(found.accuracy.w2s, expected.accuracy.w2s)
    assert run(WEAK, numbers).accuracy is None  # soft labels of ridge: they are numbers
    ones_and_twos = run(WEAK, (SIGNS + 3) / 2, pseudo_labels="hard")
    assert np.array_equal(ones_and_twos.w2s, run(WEAK, SIGNS, pseudo_labels="hard").w2s)


# Noise


@pytest.mark.parametrize("labels", [SIGNS[:, None], (SIGNS[:, None] + 1) / 2, ONE_HOT])
def test_flips_change_their_share_of_labels_to_each_other_class(labels):
    many = np.repeat(labels, 100, axis=0)
    coding = Coding.of([labels])
    found = flipped(many, 0.3, coding, stream(1, (7,), 0))
    changed = np.any(found != many, axis=1)
    assert abs(changed.mean() - 0.3) < 4 * np.sqrt(0.21 / len(many))
    assert set(map(tuple, np.unique(found, axis=0))) == set(map(tuple, np.unique(many, axis=0)))
    if labels.shape[1] == 3:
        steps = (found.argmax(axis=1) - many.argmax(axis=1))[changed] % 3
        assert abs(np.mean(steps == 1) - 0.5) < 4 * 0.5 / np.sqrt(len(steps))
    assert np.array_equal(flipped(many, 0.0, coding, stream(1, (7,), 0)), many)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("on_test", [False, True])
def test_noisy_labels_are_those_of_the_design(once, on_test):
    noise = {"flips": 0.25, "noise_once": once, "noise_on_test": on_test}
    found = run(WEAK, SIGNS, ridge=1.0, **noise)
    design = Design.of(Task.of(WEAK, STRONG, SIGNS, TEST, 1.0, **noise), 60, 150, 3)
    for trial in range(2):
        noisy, on_those_tested = design.labels_of(trial)
        rows, test = drawn(3, trial)
        Y = noisy.copy()
        Y[test] = on_those_tested
        expected = plain_trial(
            Y,
            *rows[2],
            test,
            fits=("ridge", "ridge"),
            ridges=(1.0, 1.0),
            intercept=False,
            pseudo_labels="soft",
            confident=1.0,
            rounds=1,
        )
        np.testing.assert_allclose([getattr(found, name)[2, trial] for name in RISKS], np.ravel(expected), rtol=1e-6)
        assert np.array_equal(on_those_tested, noisy[test]) == on_test
    assert np.array_equal(design.labels_of(0)[0], design.labels_of(1)[0]) == once


def test_noise_of_test_rows_of_their_own():
    held = tuple(array[300:] for array in (WEAK, STRONG, SIGNS))
    rest = tuple(array[:300] for array in (WEAK, STRONG, SIGNS))
    clean, noisy = (
        probe(*rest, n=60, N=200, trials=20, test=held, flips=0.2, noise_on_test=on_test) for on_test in (False, True)
    )
    assert noisy.accuracy.ceiling.mean() < clean.accuracy.ceiling.mean() - 0.05


def test_gaussian_noise_is_drawn_once_where_asked():
    once = run(WEAK, SCORE, label_noise=1.0, noise_once=True)
    each = run(WEAK, SCORE, label_noise=1.0)
    assert np.array_equal(once.w2s[:, 0], each.w2s[:, 0])  # that of the first trial
    assert np.all(once.w2s[:, 1] != each.w2s[:, 1])


# Teachers that are given


def require_given(found, weak_labels, Y, seed=3):
    for trial in range(2):
        rows, test = drawn(seed, trial)
        for point, (_, pseudo) in enumerate(rows):
            student = ridge_fit(STRONG[pseudo], weak_labels[pseudo], 1.0, False)
            for name, said in (("weak", weak_labels[test]), ("w2s", student(STRONG[test]))):
                expected = np.mean((said - Y[test]) ** 2, axis=0)
                got = getattr(found, name)[point, ..., trial]
                np.testing.assert_allclose(np.ravel(got), np.ravel(expected), rtol=1e-9)


def test_given_predictions_are_what_students_learn_and_tests_score(tmp_path):
    wrong = np.random.default_rng(5).random(ROWS) < 0.2
    weak_labels = np.where(wrong, -SIGNS, SIGNS)
    by_features = run(WEAK, SIGNS, ridge=1.0)
    np.save(tmp_path / "weak.npy", weak_labels)
    for given in (weak_labels, weak_labels.tolist(), tmp_path / "weak.npy"):
        found = run(Predictions(given), SIGNS, ridge=1.0)
        require_given(found, weak_labels[:, None], SIGNS[:, None])
        for name in ("baseline", "ceiling"):
            assert np.array_equal(getattr(found, name), getattr(by_features, name))
    pairs = run({"given": Predictions(weak_labels), "fitted": WEAK}, SIGNS, ridge=1.0)
    np.testing.assert_allclose(pairs["given", "strong"].w2s, found.w2s, rtol=1e-9)
    np.testing.assert_allclose(pairs["fitted", "strong"].w2s, by_features.w2s, rtol=1e-9)


def test_given_probabilities_and_names():
    p = 1 / (1 + np.exp(-2 * WEAK[:, 1]))
    both = np.column_stack((1 - p, p))
    require_given(run(Predictions(both), SIGNS, ridge=1.0), 2 * p[:, None] - 1, SIGNS[:, None])
    require_given(run(Predictions(p, probabilities=True), SIGNS, ridge=1.0), 2 * p[:, None] - 1, SIGNS[:, None])
    require_given(run(Predictions(both), SIGNS > 0, ridge=1.0), p[:, None], SIGNS[:, None] > 0)
    shifted = np.roll(NAMES, 1)
    require_given(run(Predictions(shifted), NAMES, ridge=1.0), np.roll(ONE_HOT, 1, axis=0), ONE_HOT)
    hard_ones = run(Predictions(both), SIGNS, ridge=1.0, pseudo_labels="hard")
    assert np.array_equal(hard_ones.w2s, run(Predictions(np.where(p > 0.5, 1, -1)), SIGNS, ridge=1.0).w2s)


def test_a_teacher_says_nothing_of_rows_that_are_labelled():
    labelled, test = np.arange(60), np.arange(300, 400)
    weak_labels = np.where(np.arange(ROWS) < 60, np.nan, np.roll(SIGNS, 3))
    found = probe(Predictions(weak_labels), STRONG, SIGNS, trials=1, labelled=labelled, test=test)
    assert found.weak[0] == pytest.approx(np.mean((weak_labels[test] - SIGNS[test]) ** 2))
    with pytest.raises(ValueError, match=r"weak\['weak'\] has no predictions for 60 of the rows to be pseudo-labelled"):
        probe(Predictions(weak_labels), STRONG, SIGNS, n=10, N=100, trials=1, test=test)
    parts = [(Predictions(weak_labels[index]), STRONG[index], SIGNS[index]) for index in (np.arange(60, 300), test)]
    nobody = Predictions(np.full(60, np.nan))
    again = probe(nobody, STRONG[:60], SIGNS[:60], trials=1, pseudo_labelled=parts[0], test=parts[1])
    np.testing.assert_allclose(again.w2s, found.w2s, rtol=1e-9)


# Ridges that are chosen


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(("n", "N"), [(5, 6), (60, 150)])
def test_ridges_by_leave_one_out_are_those_of_ridge_cv(n, N, intercept):
    grid = [0.01, 1.0, 30.0, 1000.0]
    Y = np.column_stack((SCORE, Z[:, 5] + SCORE))
    found = probe(WEAK, STRONG, Y, n=n, N=N, trials=3, test=TEST, seed=3, ridge=grid, intercept=intercept)
    pools, _, test = Task.of(WEAK, STRONG, SIGNS, TEST).split(3)

    def fitted(X, labels):
        return RidgeCV(grid, fit_intercept=intercept, alpha_per_target=True).fit(X, labels).predict

    for trial in range(3):
        order = stream(3, SPLITS, trial).permutation(pools[0])
        labelled, pseudo = order[:n], order[n : n + N]
        teacher, ceiling = fitted(WEAK[labelled], Y[labelled]), fitted(STRONG[order[: n + N]], Y[order[: n + N]])
        student = fitted(STRONG[pseudo], teacher(WEAK[pseudo]))
        for name, said in (
            ("weak", teacher(WEAK[test])),
            ("ceiling", ceiling(STRONG[test])),
            ("w2s", student(STRONG[test])),
        ):
            expected = np.mean((said - Y[test]) ** 2, axis=0)
            np.testing.assert_allclose(getattr(found, name)[:, trial], expected, rtol=1e-6)


def test_ridges_by_rows_held_out():
    grid = [0.1, 10.0, 300.0]
    found = run(WEAK, SCORE, ridge=(1.0, grid), choose="held-out", trials=1)
    rows, test = drawn(3, 0)
    for point, (labelled, pseudo) in enumerate(rows):
        said = ridge_fit(WEAK[labelled], SCORE[labelled], 1.0, False)(WEAK)
        options = [ridge_fit(STRONG[pseudo], said[pseudo], alpha, False)(STRONG[test]) for alpha in grid]
        assert min(abs(np.mean((each - SCORE[test]) ** 2) / found.w2s[point, 0] - 1) for each in options) < 1e-6
    order = stream(80, DRAW, 0).permutation(80)
    out, rest = np.sort(order[:16]), np.sort(order[16:])
    labelled, pseudo = rows[0][0], np.sort(rows[0][1])  # trials read their rows in the order of the file
    said = ridge_fit(WEAK[labelled], SCORE[labelled], 1.0, False)(WEAK)[pseudo]
    errors = [
        np.sum((ridge_fit(STRONG[pseudo][rest], said[rest], alpha, False)(STRONG[pseudo][out]) - said[out]) ** 2)
        for alpha in grid
    ]
    best = ridge_fit(STRONG[pseudo], said, grid[int(np.argmin(errors))], False)
    assert found.w2s[0, 0] == pytest.approx(np.mean((best(STRONG[test]) - SCORE[test]) ** 2), rel=1e-6)


def test_classifiers_choose_by_rows_held_out():
    grid = [0.1, 1.0, 100.0]
    found = run(WEAK, NAMES, fit="softmax", ridge=(1.0, grid), choose="held-out", trials=1)
    alone = [run(WEAK, NAMES, fit="softmax", ridge=(1.0, ridge), trials=1) for ridge in grid]
    for name in ("baseline", "ceiling", "w2s"):
        ratios = np.stack([getattr(one, name) for one in alone]) / getattr(found, name)
        np.testing.assert_allclose(np.abs(ratios - 1).min(axis=0), 0.0, atol=1e-6)
    assert np.array_equal(found.weak, alone[0].weak)


def test_rows_are_gathered_once_and_read_by_slices(monkeypatch):
    gathered = []
    taken = Features.take
    monkeypatch.setattr(Features, "take", lambda self, index: gathered.append((self, len(index))) or taken(self, index))
    run(WEAK, SIGNS, fit="softmax", ridge=1.0, trials=1)
    strong = [rows for features, rows in gathered if features.values.shape[1] == STRONG.shape[1]]
    assert sorted(strong) == [100, 180, 210]  # on test rows, the ceilings of the smaller n, and all


# What is refused, and what studies say of it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fit": "forest"}, "fit must be one of 'ridge'"),
        ({"fit": "ridge:100"}, "fit may have a rank behind it as in 'truncated:100', got 'ridge:100'"),
        ({"fit": ("ridge", "ridge", "ridge")}, "fit must be one for every fit or a pair"),
        ({"ridge": (1.0, -1.0)}, "ridge of the student must be a finite number, at least 0"),
        ({"ridge": [1.0]}, "ridge must be a number, or a list of distinct ones above 0 to choose from"),
        ({"ridge": [0.0, 1.0]}, "ridge must be a number, or a list of distinct ones above 0"),
        ({"choose": "best"}, "choose must be one of 'leave-one-out', 'held-out'"),
        ({"y": SCORE, "pseudo_labels": "hard"}, "pseudo_labels='hard' needs labels of classes"),
        ({"y": SCORE, "confident": 0.5}, "confident needs labels of classes"),
        ({"y": SCORE, "flips": 0.5}, "flips needs labels of classes"),
        ({"y": NAMES, "pseudo_labels": "sign"}, "pseudo_labels='sign' needs labels -1 and [+]1"),
        ({"pseudo_labels": "firm"}, "pseudo_labels must be one of 'soft', 'hard', 'sign'"),
        ({"confident": 0.0}, "confident must be a finite number, more than 0 and at most 1"),
        ({"flips": 1.5}, "flips must be a finite number, at least 0 and at most 1"),
        ({"flips": 0.1, "label_noise": 1.0}, "label_noise is Gaussian, which leaves no classes"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"decompose": True, "pseudo_labels": "hard"}, "decompose takes pseudo-labels as the teacher says them"),
        ({"decompose": True, "flips": 0.1, "noise_on_test": True}, "decompose takes test labels that stay"),
        ({"decompose": True, "ridge": [1.0, 2.0]}, "decompose takes fits that are linear"),
        ({"strong": Predictions(SIGNS)}, "strong must be features: students are fitted"),
        ({"weak": Predictions(ONE_HOT)}, "weak must have a column of predictions for each of y, 1, got 3"),
        ({"weak": Predictions(np.full((ROWS, 2), 0.7))}, "weak has two columns, which must be probabilities"),
        ({"weak": Predictions(NAMES)}, "weak names classes, y does not"),
        ({"weak": Predictions(np.full(ROWS, np.inf))}, "weak has 400 infinite prediction"),
        ({"weak": Predictions(SIGNS[:7])}, "weak has 7, strong has 400"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        probe(**{"weak": WEAK, "strong": STRONG, "y": SIGNS, "n": 20, "N": 30, "trials": 1} | change)


def test_minus_zero_is_the_class_zero():
    rng = np.random.default_rng(0)
    y = np.repeat([-0.0, 1.0, 2.0], 20)
    task = Task.of(rng.standard_normal((60, 2)), rng.standard_normal((60, 3)), y, 10, 1.0, fit="softmax")
    assert task.rows.classes == ("0", "1", "2")


def in_study(tmp_path, name="study.sqlite", **how):
    axes = {axis: how.pop(axis) for axis in ("label_noise", "flips") if isinstance(how.get(axis), list)}
    weak, y = how.pop("weak", WEAK), how.pop("y", SIGNS)
    task = Task.of(weak, STRONG, y, TEST, **how)
    return Study(task, n=30, N=[80, 150], trials=3, seed=3, path=tmp_path / name, keep_trials=True, **axes)


OPTIONS = [
    {"fit": "softmax", "ridge": 1.0, "y": NAMES},
    {"fit": ("ridge", "softmax"), "ridge": (0.5, 1.0), "pseudo_labels": "hard"},
    {"ridge": [0.1, 1.0], "confident": 0.5, "rounds": 2},
    {"flips": 0.1, "noise_once": True, "noise_on_test": True},
    {"weak": Predictions(np.roll(SIGNS, 1))},
]


@pytest.mark.parametrize("how", OPTIONS)
def test_studies_keep_what_is_unusual(tmp_path, how):
    study = in_study(tmp_path, **how).run(progress=False)
    expected = probe(
        how.get("weak", WEAK),
        STRONG,
        how.get("y", SIGNS),
        n=30,
        N=[80, 150],
        trials=3,
        test=TEST,
        seed=3,
        **{name: value for name, value in how.items() if name not in ("weak", "y")},
    )
    assert np.array_equal(study.result.w2s, expected.w2s)
    described = Study.open(study.path).scenarios[0].description
    assert described == study.scenarios[0].description
    assert described.as_dict().keys() - USUAL
    with pytest.raises(ValueError, match="another study: not the same"):
        in_study(tmp_path).run(progress=False)


USUAL = {"kind", "rows", "d_weak", "d_strong", "test", "intercept", "nested", "label_noise", "ridge", "sha256"}


def test_noise_is_an_axis_of_studies(tmp_path):
    study = in_study(tmp_path, flips=[0.0, 0.2, 0.4]).run(progress=False)
    assert study.axes == ["flips"]
    assert [scenario.label(study.axes) for scenario in study.scenarios] == ["flips = 0", "flips = 0.2", "flips = 0.4"]
    for index, flips in enumerate((0.0, 0.2, 0.4)):
        alone = probe(WEAK, STRONG, SIGNS, n=30, N=[80, 150], trials=3, test=TEST, seed=3, flips=flips)
        assert np.array_equal(study.result.w2s[index], alone.w2s)
    assert {row["flips"] for row in Study.open(study.path).table()} == {0.0, 0.2, 0.4}
    assert "flips" not in in_study(tmp_path, "other.sqlite").run(progress=False).table()[0]
    gaussian = in_study(tmp_path, "third.sqlite", y=SCORE, label_noise=[0.5, 1.0])
    assert gaussian.axes == ["label_noise"]
    classes = in_study(tmp_path, "classes.sqlite", y=NAMES, flips=[0.0, 0.3]).run(progress=False)
    assert classes.summary()["accuracy_w2s"].mean.shape == (4,)
    with pytest.raises(ValueError, match="label_noise: Gaussian models have no such axis"):
        Study(GaussianModel.paper, n=500, N=1000, label_noise=[0.1])
    with pytest.raises(ValueError, match="flips needs labels of classes"):
        Study(Task.of(WEAK, STRONG, SCORE, TEST), n=30, N=80, flips=[0.1, 0.2])


@pytest.mark.compiled
def test_a_rank_is_named_behind_the_fit():
    found = run(WEAK, SCORE, fit=("ridge", "truncated:5"), ridge=0.0, trials=1)
    whole, least = (run(WEAK, SCORE, fit=fit, ridge=0.0, trials=1) for fit in ("truncated", "ridge"))
    np.testing.assert_allclose(whole.w2s, least.w2s, rtol=1e-9)
    assert np.array_equal(found.weak, least.weak)
    assert np.all(found.w2s != least.w2s)
