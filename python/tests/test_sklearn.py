"""The estimators in the company of scikit-learn."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.exceptions
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    PredefinedSplit,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from fenchel import CVaR, SafeKL, errors
from fenchel.robust import RobustClassifier, RobustClassifierCV, RobustRegressor, RobustRegressorCV, risk

ALL = [RobustRegressor, RobustClassifier, RobustRegressorCV, RobustClassifierCV]
# Losses that are all the same at the minimum, as a few of the tiny tables have, leave a radius without a multiplier; the fit says so.
UNPROVED = pytest.mark.filterwarnings("ignore::fenchel.errors.ConvergenceWarning")


@UNPROVED
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("kind", ALL)
def test_everything_that_scikit_learn_checks(kind: type) -> None:
    ended = check_estimator(kind(), on_fail=None)
    failed = {check["check_name"]: check["exception"] for check in ended if check["status"] == "failed"}
    assert not failed
    # One is for another setting of the environment; it is below.
    others = {check["check_name"] for check in ended if check["status"] != "passed"}
    assert others <= {"check_array_api_input"}
    assert len(ended) > 50


def test_the_check_that_scipy_has_to_be_told_of() -> None:
    code = """
import warnings
from types import SimpleNamespace
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from fenchel import robust
for name in ["RobustRegressor", "RobustClassifier", "RobustRegressorCV", "RobustClassifierCV"]:
    ended = check_estimator(getattr(robust, name)(), on_fail=None)
    assert {check["status"] for check in ended} == {"passed"}, name
"""
    import os

    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "SCIPY_ARRAY_API": "1"})


@UNPROVED
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "model",
    [
        RobustRegressor(divergence=CVaR(0.3), loss="absolute"),
        RobustRegressor(loss="huber:1", temperature=1.0),
        RobustClassifier(divergence="chi2", temperature="rel:1"),
        RobustClassifier(loss="multinomial"),
    ],
    ids=str,
)
def test_other_parameters_pass_as_well(model) -> None:
    check_estimator(model)


@pytest.mark.parametrize("kind", ALL)
def test_tags_switch_nothing_off(kind: type) -> None:
    tags = kind().__sklearn_tags__()
    assert not tags.non_deterministic and not tags.no_validation and not tags._skip_test
    assert tags.target_tags.required and not tags.input_tags.sparse and not tags.input_tags.allow_nan
    if "Classifier" in kind.__name__:
        assert tags.classifier_tags.multi_class and not tags.classifier_tags.poor_score
    else:
        assert not tags.regressor_tags.poor_score


@pytest.mark.parametrize("kind", [RobustRegressor, RobustClassifier])
def test_weights_count_rows(kind: type) -> None:
    # More features than rows: only the penalty says which of many coefficients are meant.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y, weights = rng.uniform(size=(15, 30)), rng.integers(0, 3, size=15), rng.integers(0, 5, size=15)
        if len(np.unique(y[weights > 0])) < 3:
            continue
        order = rng.permutation(15)
        weighted = kind().fit(x[order], y[order], sample_weight=weights[order])
        repeated = kind().fit(x.repeat(weights, axis=0), y.repeat(weights))
        method = "predict" if kind is RobustRegressor else "decision_function"
        found, wanted = (getattr(model, method)(x) for model in (weighted, repeated))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)


def test_pandas() -> None:
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    model = RobustRegressor(radius=0.2).fit(x, y)
    assert list(model.feature_names_in_) == list(x.columns) and model.n_features_in_ == 10
    np.testing.assert_array_equal(model.coef_, RobustRegressor(radius=0.2).fit(x.to_numpy(), y.to_numpy()).coef_)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(x.rename(columns={"age": "years"}))
    weights = pd.Series(np.arange(len(y)), index=y.index)
    weighted = RobustRegressor(radius=0.2).fit(x, y, sample_weight=weights)
    assert weighted.weights_[0] == 0
    assert weighted.score(x, y, sample_weight=weights) > 0.4


def test_pipelines_and_searches() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), RobustClassifier())
    grid = {
        "robustclassifier__divergence": ["kl", CVaR(0.5), SafeKL(0.1)],
        "robustclassifier__l2": [1e-3, 1e-2],
    }
    search = GridSearchCV(pipe, grid, cv=3).fit(x, y)
    assert search.best_score_ > 0.93
    parallel = GridSearchCV(pipe, grid, cv=3, n_jobs=2).fit(x, y)
    np.testing.assert_array_equal(parallel.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])
    assert cross_val_score(RobustClassifierCV(radii=[0.1, 0.3], cv=3), x[:, :5], y, cv=3).mean() > 0.85
    text = np.where(y == 1, "benign", "malignant")
    named = search.best_estimator_.fit(x, text)
    assert set(named.predict(x[:9])) <= {"benign", "malignant"}


@pytest.mark.parametrize("kind", ALL)
def test_copies(kind: type) -> None:
    x, y = load_iris(return_X_y=True)
    model = kind(divergence=SafeKL(0.1), l2=1e-3).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.get_params() == model.get_params()
    fresh = clone(model)
    assert not hasattr(fresh, "coef_") and fresh.divergence == SafeKL(0.1)
    np.testing.assert_array_equal(fresh.fit(x, y).coef_, model.coef_)
    assert "SafeKL" in repr(model)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        kind().predict(x)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        kind().plot()


def test_warnings_are_of_both() -> None:
    x, y = load_diabetes(return_X_y=True)
    model = RobustRegressor(divergence="cvar:0.1", max_iter=3)
    with pytest.warns(errors.ConvergenceWarning, match="max_iterations"):
        model.fit(x, y)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        model.fit(x, y)
    assert model.status_ == "max_iterations" and model.gap_ > 1e-6 * model.objective_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RobustRegressor(divergence="cvar:0.1").fit(x, y)


# Strengths chosen on held-out rows.


def groups() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    group = np.where(np.arange(300) % 10 == 0, "north", "south")
    y = np.where(group == "north", 3, 1) * x[:, 0] + rng.normal(size=300)
    return x, y, group


def test_scores_are_what_they_say() -> None:
    x, y, group = groups()
    weights = np.random.default_rng(1).integers(0, 3, size=300)
    fold = np.random.default_rng(2).integers(0, 3, size=300)
    tilt = np.exp((x[:, 1] - x[:, 1].mean()) / x[:, 1].std() * -0.5)
    scored = {
        "none": lambda losses, w, held: losses @ w,
        "reweighted": lambda losses, w, held: risk(losses, radius=0.1, reference=w).value,
        "reweighted:0.5": lambda losses, w, held: risk(losses, radius=0.5, reference=w).value,
        "reweighted:cvar:0.2": lambda losses, w, held: risk(losses, "cvar:0.2", reference=w).value,
        "group": lambda losses, w, held: max(
            losses[group[held] == g] @ w[group[held] == g] / w[group[held] == g].sum() for g in ("north", "south")
        ),
        "feature:1:-0.5": lambda losses, w, held: losses @ (w * tilt[held]) / (w @ tilt[held]),
    }
    for shift, score in scored.items():
        model = RobustRegressorCV(radii=[0.3, 0.0], shift=shift, cv=PredefinedSplit(fold))
        model.fit(x, y, sample_weight=weights, groups=group)
        assert model.cv_results_["radius"].tolist() == [0.0, 0.3]
        for k, radius in enumerate([0.0, 0.3]):
            found = []
            for f in range(3):
                out, held = fold != f, fold == f
                fit = RobustRegressor(radius=radius).fit(x[out], y[out], sample_weight=weights[out])
                losses = (fit.predict(x[held]) - y[held]) ** 2
                found.append(score(losses, weights[held] / weights[held].sum(), held))
                assert model.cv_results_[f"split{f}_test_loss"][k] == pytest.approx(found[-1], rel=1e-6), shift
            assert model.cv_results_["mean_test_loss"][k] == pytest.approx(np.mean(found), rel=1e-6)
            assert model.cv_results_["standard_error"][k] == pytest.approx(np.std(found, ddof=1) / 3**0.5, rel=1e-5)
        best = model.cv_results_["mean_test_loss"].argmin()
        assert model.best_index_ == best and model.best_loss_ == model.cv_results_["mean_test_loss"][best]
        assert model.cv_results_["rank_test_loss"][best] == 1
        direct = RobustRegressor(radius=model.best_radius_).fit(x, y, sample_weight=weights)
        np.testing.assert_array_equal(model.coef_, direct.coef_)


def test_the_shift_decides() -> None:
    x, y, group = groups()
    radii = [0, 0.03, 0.1, 0.3, 1]
    frame = pd.DataFrame(x, columns=["a", "b:1"]).assign(north=(group == "north") * 1.0)
    assert RobustRegressorCV(radii=radii, shift="none").fit(x, y).best_radius_ <= 0.03
    by_group = RobustRegressorCV(radii=radii, shift="group").fit(x, y, groups=group)
    assert by_group.best_radius_ >= 0.3
    assert by_group.best_temperature_ is None and by_group.radius_ == pytest.approx(by_group.best_radius_)
    for shift in ["group:north", "feature:b:1", "feature:b:1:2", CVaR(0.1)]:
        RobustRegressorCV(radii=radii, shift=shift).fit(frame, y)
    relative = RobustRegressorCV(temperatures=["rel:0.1", "rel:10"], shift="none").fit(x, y)
    ordinary = RobustRegressor(divergence="mean").fit(x, y).mean_loss_
    assert relative.best_temperature_ == pytest.approx(10 * ordinary)
    assert relative.temperature_ == pytest.approx(10 * ordinary)
    assert RobustRegressorCV().fit(x, y).cv_results_["radius"] == pytest.approx(np.geomspace(0.01, 1, 7))


def test_splits_of_all_kinds() -> None:
    x, y, group = groups()
    number = np.arange(300) // 60
    first = RobustRegressorCV(radii=[0.1, 0.2]).fit(x, y)
    again = RobustRegressorCV(radii=[0.1, 0.2], cv=5, random_state=0).fit(x, y)
    other = RobustRegressorCV(radii=[0.1, 0.2], cv=5, random_state=1).fit(x, y)
    assert first.best_loss_ == again.best_loss_ != other.best_loss_
    assert "split4_test_loss" in first.cv_results_ and "split5_test_loss" not in first.cv_results_
    for cv in [GroupKFold(5), TimeSeriesSplit(5), PredefinedSplit(number), [(np.arange(200), np.arange(200, 300))]]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = RobustRegressorCV(radii=[0.1, 0.2], cv=cv, shift="none").fit(x, y, groups=number)
        assert np.isfinite(model.best_loss_)
    mask = np.arange(300) < 200
    masks = RobustRegressorCV(radii=[0.1, 0.2], cv=[(mask, ~mask)], shift="none").fit(x, y)
    assert masks.best_loss_ == model.best_loss_
    labels = np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])]
    chosen = RobustClassifierCV(radii=[0.01, 0.1], shift="group").fit(x, labels, groups=group)
    assert chosen.predict_proba(x).shape == (300, 3)


@pytest.mark.parametrize(
    ("parameters", "part"),
    [
        ({"divergence": "mean"}, "nothing to choose"),
        ({"divergence": "cvar:0.1"}, "neither temperature nor radius"),
        ({"radii": [1], "temperatures": [1]}, "one of them must be None"),
        ({"radii": []}, "a list of at least one"),
        ({"radii": [-1]}, "radii is -1"),
        ({"temperatures": [1, "rel:1"]}, "one or the other"),
        ({"shift": "worse"}, "shift is 'worse'"),
        ({"shift": "none:1"}, "shift is 'none:1'"),
        ({"shift": "feature"}, "shift is 'feature'"),
        ({"shift": "reweighted:-1"}, "radius of shift is -1"),
        ({"shift": "reweighted:kk"}, "did you mean 'kl'"),
        ({"shift": "group"}, "fit must be given groups"),
        ({"shift": "group:7"}, "a number from 0 to 1"),
        ({"shift": "feature:x"}, "column of shift is 'x'"),
        ({"cv": 1}, "cv is 1"),
        ({"cv": 400}, "at least as many as folds"),
        ({"cv": [([0, 1], [])]}, "split 1"),
        ({"max_time": 1e-9}, "max_time"),
    ],
)
def test_choices_that_cannot_be(parameters, part: str) -> None:
    x, y, _ = groups()
    with pytest.raises(errors.InvalidInputError) as caught:
        RobustRegressorCV(**parameters).fit(x, y)
    assert part in str(caught.value), caught.value


def test_groups_of_the_wrong_shape() -> None:
    x, y, group = groups()
    for wrong in (group[:-1], np.column_stack([group, group]), "a"):
        with pytest.raises(errors.ShapeError, match=f"groups: expected one for each of {len(y)} rows"):
            RobustRegressorCV(shift="group").fit(x, y, groups=wrong)
    model = RobustRegressorCV(radii=[0.1], shift="group")
    np.testing.assert_array_equal(model.fit(x, y, groups=group[:, None]).coef_, model.fit(x, y, groups=group).coef_)


def test_scores_and_fit_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scores have taken all of `max_time`, the fit does not start with as much again."""
    x, y, _ = groups()
    clock = iter([0.0, 300.0])
    monkeypatch.setattr("fenchel.robust._validation.time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.warns(errors.ConvergenceWarning, match="max_time"):
        model = RobustRegressorCV(radii=[0.1], loss="huber", max_time=300.0).fit(x, y)
    assert model.status_ == "max_time" and np.isfinite(model.coef_).all()


def test_groups_that_cannot_be_ordered():
    x = np.random.default_rng(0).normal(size=(40, 2))
    groups = np.array(["a", "b", np.nan, None] * 10, dtype=object)
    with pytest.raises(errors.InvalidTypeError, match="groups has values that cannot be ordered"):
        RobustRegressorCV(shift="group").fit(x, x[:, 0], groups=groups)


def test_bounds_do_not_exceed_objectives_by_rounding() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(200, 3))
        y = x @ [1.0, -1.0, 0.5] + rng.gumbel(size=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.ConvergenceWarning)
            model = RobustRegressor(temperature=1.0, tol=1e-15).fit(x, y)
        assert 0.0 <= model.gap_ < 1e-9, (seed, model.gap_)
