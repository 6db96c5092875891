"""The comparison of encoders on made-up queries."""

import json
from dataclasses import replace

import numpy as np
import pytest

from arms.errors import ArmsError
from studies import encoders
from studies.settings import EncoderStudyParams
from tests.studies.test_unseen import made_study as made_study  # the fixture

PARAMS = EncoderStudyParams(pairs=["one", "two"], folds=3, seeds=[1, 2], settings="epochs=1", timed=4)
LINEAR = {"features": "normalised", "targets": "soft", "penalty": 0.0, "c": [0.1]}


@pytest.fixture
def made(made_study, monkeypatch):
    """A dataset whose features are stored; which pair is opened with which settings is noted."""
    params = made_study.workspace.params
    params = params.model_copy(update={"baselines": {**params.baselines, "linear": LINEAR}})
    study = replace(made_study, workspace=replace(made_study.workspace, params=params))
    opened, encoded = [], []
    monkeypatch.setattr(
        encoders, "open_workspace", lambda settings=(): opened.append(list(settings)) or study.workspace
    )
    monkeypatch.setattr(encoders, "open_study", lambda settings: study)
    monkeypatch.setattr(encoders, "read_prepared", lambda folder: study.dataset.prepared)
    monkeypatch.setattr(encoders, "encode", lambda workspace, prepared, modality: encoded.append(modality))
    monkeypatch.setattr(encoders, "measure_encoding", lambda workspace, timed: {"image": {"bytes_each": timed}})
    monkeypatch.setattr(encoders, "read_study_params", lambda: type("Study", (), {"encoder_pairs": PARAMS}))
    return study, opened, encoded


def test_the_study(made):
    study, opened, encoded = made
    encoders.main([], standalone_mode=False)
    found = json.loads((encoders.RESULTS / "tiny" / "encoders.json").read_text())
    assert [settings for settings in opened if settings] == [["encoders=one", "epochs=1"], ["encoders=two", "epochs=1"]]
    assert encoded == ["image", "text", "pair"] * 2
    assert list(found["pairs"]) == ["one", "two"]
    answerable = (~np.isnan(study.outcomes).any(axis=1)) & (study.outcomes.max(axis=1) == 1)
    for of in found["pairs"].values():
        assert of["queries"] == answerable.sum()
        assert of["image"] == {"bytes_each": 4}
        for router in encoders.ROUTERS:
            record = of["routers"][router]
            assert record["em_low"] <= record["em"] <= record["em_high"]
            assert record["gain"] == pytest.approx(record["em"] - of["best_single_em"], abs=2e-4)
            assert record["over_first"] == 0, "both have the same features"
    knn = [of["routers"]["knn"]["em"] for of in found["pairs"].values()]
    assert knn[0] == knn[1]


def test_each_fold_is_judged_by_what_was_trained_without_it(made, monkeypatch):
    study, *_ = made
    seen = []
    fit = type(study).fitted_scores

    def watch(self, name, settings, seed, fold):
        seen.append((name, seed))
        assert not fold.rest[fold.test].any()
        return fit(self, name, settings, seed, fold)

    monkeypatch.setattr(type(study), "fitted_scores", watch)
    judged = encoders.judge_pair("one", PARAMS)
    assert seen == [(name, seed) for seed in (1, 2) for _ in range(3) for name in encoders.ROUTERS]
    assert all(not np.isnan(values).any() for values in judged.correct.values())
    assert judged.correct["arms"].shape == (len(judged.scenes), 2)


def test_pairs_that_are_named_win(made):
    encoders.main(["two"], standalone_mode=False)
    found = json.loads((encoders.RESULTS / "tiny" / "encoders.json").read_text())
    assert list(found["pairs"]) == ["two"]


def test_a_baseline_that_is_missing(made, monkeypatch):
    study, *_ = made
    params = study.workspace.params.model_copy(update={"baselines": {}})
    without = replace(study, workspace=replace(study.workspace, params=params))
    monkeypatch.setattr(encoders, "open_study", lambda settings: without)
    with pytest.raises(
        ArmsError, match=r"params\.yaml\.baselines: expected knn, linear, which encoders are compared by"
    ):
        encoders.judge_pair("one", PARAMS)
