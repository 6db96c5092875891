"""What the studies of the extension share, on a tiny dataset."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from arms.data.scores import Scores
from arms.evaluation.judge import Judge
from arms.features.dataset import Dataset
from arms.features.store import FeatureStore
from arms.params.tree import override
from arms.selection.select import select
from stages.workspace import Workspace
from studies.setup import FIVE_METRICS, Setup, five_metrics
from studies.strategies import only_asked
from tests.cached import NEW, make_phi, make_prepared, new_outcomes, tiny_params, write_features
from tests.fakes import make_encoders

TUNABLE = {"tunable_layers": 1}


@pytest.fixture(scope="module")
def make_setup(tmp_path_factory):
    """Makes the setup of a study from some settings; Phi is trained on the given number of epochs."""
    folder = tmp_path_factory.mktemp("features")
    write_features(make_encoders(TUNABLE, TUNABLE), folder)

    def make(*settings, epochs=1):
        encoders = make_encoders(TUNABLE, TUNABLE)
        prepared = make_prepared()
        joined = pd.concat([prepared.outcomes, new_outcomes("train", "val", "id", "ood")], ignore_index=True)
        prepared = replace(prepared, outcomes=joined, vlms=(*prepared.vlms, NEW), new=(NEW.name,))
        stores = (
            FeatureStore(folder / f"{name}.zarr", encoder.fingerprint)
            for name, encoder in (("image", encoders.image), ("text", encoders.text))
        )
        dataset = Dataset.open(prepared, *stores, max_images=8, budget_bytes=2**30, window_bytes=2**20)
        workspace = Workspace(override(tiny_params(), settings), None, encoders.params)
        judge = Judge(prepared, {}, samples=100, seed=1)
        return Setup(workspace, dataset, encoders, make_phi(epochs=epochs), judge, (1,))

    return make


def theta_of(setup, known=None):
    (theta,) = setup.extended("independent", setup.phi, known).thetas
    return {name: tensor.clone() for name, tensor in theta.net.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("start", "alike"), [("nothing", True), ("phi", False)])
def test_theta_starts_from_what_the_settings_say(make_setup, start, alike):
    """From nothing it does not depend on Phi's training, from Phi it does."""
    one, other = (theta_of(make_setup(f"extend.independent.start={start}", epochs=epochs)) for epochs in (1, 4))
    assert same(one, other) == alike


def test_theta_starts_from_nothing_each_time(make_setup):
    """The studies extend the same Phi many times; each Theta tunes encoders of its own."""
    setup = make_setup("extend.independent.start=nothing")
    known = np.arange(len(setup.dataset.prepared.split("train"))) < 12
    first, few, again = theta_of(setup), theta_of(setup, known), theta_of(setup)
    assert same(first, again)
    assert not same(first, few)


def test_five_metrics(make_setup):
    setup = make_setup()
    scores = setup.scored("zero-shot", setup.phi.over(setup.dataset.prepared.vlms))
    found, whole = five_metrics(setup, "id", scores), setup.judge.metrics_on("id", scores)
    assert list(found) == [*FIVE_METRICS, "em_all"]
    assert found == {name: whole[name] for name in found}


def test_where_phi_is_sure_no_new_vlm_is_predicted():
    policy = {"name": "cascade", "theta": 0.5, "pools": [["a", "b"], ["c"]]}
    confidence = np.array([[0.9, 0.2, 0.95], [0.6, 0.3, 0.8], [0.9, 0.1, 0.7]], dtype=np.float32)
    scores = Scores("independent", "extended", ("q0", "q1", "q2"), ("a", "b", "c"), confidence, policy)
    known = np.array([[True, True], [True, True], [False, True]])  # without a's outcome, Phi is not sure of query 2
    asked = only_asked(scores, 0.7, known)
    np.testing.assert_allclose(asked.confidence[:, 2], [0, 0.8, 0.7])
    np.testing.assert_array_equal(asked.confidence[:, :2], scores.confidence[:, :2])
    for theta in (0.5, 0.7, 1.0):
        pool_known = np.column_stack([known, np.ones(3, dtype=bool)])
        plain = replace(scores, policy=policy | {"theta": theta})
        chosen = [select(s.confidence, s.policy, s.vlms, pool_known) for s in (plain, only_asked(scores, theta, known))]
        np.testing.assert_array_equal(*chosen)
    np.testing.assert_array_equal(only_asked(scores, 1.0, known).confidence, scores.confidence)
