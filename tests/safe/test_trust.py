from dataclasses import replace

import numpy as np
import pytest

from arms.safe.trust import FEWEST_KINDS, KindResult, Trust, TrustByForm, certify

GRID = np.linspace(0, 2, 41)
EVERYWHERE = Trust(9.0, 0.1, 5)
INSIDE = np.linspace(0.0, 0.4, 200)  # novelty of queries like the training queries


def kind(gain_up_to, count=300, seed=0, lost=1.0):
    """A kind where the router's choice is right, the default wrong, up to a novelty; above, in a share, the reverse.

    VLM 0 is the default, VLM 1 the router's choice.
    """
    novelty = np.linspace(0, 1, count)
    right = novelty <= gain_up_to
    indifferent = ~right & (np.random.default_rng(seed).random(count) >= lost)
    outcomes = np.stack([~right | indifferent, right | indifferent], axis=1).astype(np.float32)
    return KindResult(np.tile([0.5, 0.0], (count, 1)), np.tile([-1.0, 1.0], (count, 1)), novelty, outcomes)


def kinds(*gain_up_to, **more):
    return {f"kind {number}": kind(limit, seed=number, **more) for number, limit in enumerate(gain_up_to)}


def test_where_every_kind_gains_the_limit_is_where_they_end():
    """Their novelty is up to 1; of what lies beyond, nothing is known."""
    trust = certify(kinds(1, 1, 1, 1, 1), INSIDE, 0.01)
    assert trust.num_kinds == 5
    assert trust.limit == pytest.approx(0.99, abs=0.01)
    assert trust.at(GRID[GRID <= 0.8]).min() > 0.9
    assert trust.at(GRID[GRID >= 1.2]).max() < 0.05


def test_one_kind_that_is_farther_than_the_others_moves_the_limit():
    near = {name: replace(one, novelty=one.novelty / 2) for name, one in kinds(1, 1, 1, 1).items()}
    assert certify(near, INSIDE, 0.01).limit == pytest.approx(0.495, abs=0.01)
    assert certify({**near, "far": kind(1)}, INSIDE, 0.01).limit == pytest.approx(0.99, abs=0.01)
    assert certify({**near, "far": kind(0.1)}, INSIDE, 0.01).limit < 0.495


def test_the_limit_leaves_out_where_a_kind_loses():
    """Up to 0.2 all gain; one of them loses so much beyond that it objects from 0.4 on."""
    trust = certify(kinds(1, 1, 0.2, 1, 1), INSIDE, 0.0)
    assert trust.num_kinds == 5
    assert 0.2 < trust.limit < 0.6
    assert trust.at(np.array([0.1]))[0] > 0.9
    assert trust.at(np.array([0.8]))[0] < 0.1


def test_the_more_a_kind_loses_the_nearer_the_limit():
    limits = [certify(kinds(1, 1, good, 1), INSIDE, 0.0).limit for good in (0.4, 0.3, 0.2, 0.1)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0] - 0.2


def test_where_a_kind_loses_from_the_start_the_default_decides():
    result = kind(-1)
    trust = certify({**kinds(1, 1, 1), "worse": result}, INSIDE, 0.0)
    gain, _ = result.gain(trust)
    assert gain >= -0.01
    assert trust.at(np.array([0.1, 0.5, 1.0])).max() < 0.25


def test_a_small_loss_is_tolerated():
    losing = kinds(1, 1, 1, 0.0, lost=0.1)
    assert certify(losing, INSIDE, 0.2).limit > 0.9
    assert certify(losing, INSIDE, 0.0).limit < 0.5


def test_a_kind_with_few_queries_has_no_say():
    everyone = kinds(1, 1, 1, 1)
    trust = certify({**everyone, "tiny": kind(-1, count=5)}, INSIDE, 0.0)
    assert (trust.limit, trust.num_kinds) == (certify(everyone, INSIDE, 0.0).limit, 4)


def test_queries_without_every_outcome_have_no_say():
    result = kind(-1)
    result.outcomes[:, 0] = np.nan
    assert not result.comparable.any()
    result = kind(0.5)
    result.outcomes[result.novelty > 0.5, 1] = np.nan
    assert result.gain(EVERYWHERE) == (1.0, 0.0)


def test_unanswerable_queries_have_no_say():
    result = kind(0.5)
    result.outcomes[result.novelty > 0.5] = 0
    assert result.gain(EVERYWHERE) == (1.0, 0.0)


@pytest.mark.parametrize("number", [0, 1, FEWEST_KINDS - 1])
def test_too_few_kinds_certify_only_what_is_like_the_training_queries(number):
    trust = certify(kinds(*[1] * number), INSIDE, 0.01)
    assert trust.num_kinds == 0
    assert np.median(INSIDE) < trust.limit <= INSIDE.max()
    assert trust.at(np.array([0.05]))[0] > 0.9
    assert trust.at(np.array([1.5]))[0] < 0.1


@pytest.mark.parametrize("trust", [EVERYWHERE, Trust(0.4, 0.05, 5), Trust(-1.0, 0.05, 5), Trust(0.3, 1e-6, 0)])
def test_it_falls_from_1_to_0(trust):
    at = trust.at(GRID)
    assert ((at >= 0) & (at <= 1)).all()
    assert (np.diff(at) <= 0).all()
    assert Trust(**trust.to_json()) == trust


class TestByForm:
    NEAR, FAR = Trust(0.3, 0.01, 5), Trust(1.5, 0.01, 5)
    FORMS = np.array(["one image", "no image", "one image", "no question"])
    NOVELTY = np.array([1.0, 1.0, 0.1, 0.1])

    def test_each_form_has_its_own_limit(self):
        trust = TrustByForm({"one image": self.NEAR, "no image": self.FAR, "no question": self.NEAR})
        np.testing.assert_allclose(trust.at(self.NOVELTY, self.FORMS), [0, 1, 1, 1], atol=1e-6)

    def test_a_form_that_training_never_had_is_not_trusted(self):
        assert TrustByForm({"one image": self.FAR}).at(self.NOVELTY, self.FORMS).round(6).tolist() == [1, 0, 1, 0]

    def test_as_json_and_back(self):
        trust = TrustByForm({"one image": self.NEAR, "no image": self.FAR})
        assert TrustByForm.from_json(trust.to_json()) == trust

    def test_one_trust_saved_before_forms_were_told_apart_is_that_of_all(self):
        old = TrustByForm.from_json(self.NEAR.to_json())
        assert old.at(np.zeros(4), self.FORMS).tolist() == self.NEAR.at(np.zeros(4)).tolist()
