from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from arms.safe.base_rates import base_rates
from arms.safe.fitting import extend_joint, fit_joint, join
from arms.safe.joint import gather_evidence
from arms.safe.left_out import LeftOut
from arms.safe.memory import Memory
from tests.fakes import watch_progress
from tests.safe.made import (
    FakeNet,
    clusters,
    contrasts_of,
    draw,
    evidence_of,
    label_vectors,
    noise_net,
    queries_of,
    safe_params,
)

# The chance of each VLM in each of three clusters; the first VLM is the best single one.
BY_CLUSTER = np.array([[0.9, 0.1, 0.3], [0.8, 0.3, 0.1], [0.1, 0.9, 0.2]])
NOTHING_TO_KNOW = np.tile([0.7, 0.5, 0.3], (3, 1))


def made(count, seed, chances=BY_CLUSTER, kinds=5):
    """Queries in clusters, of kinds that mean nothing, with outcomes by cluster."""
    vectors, cluster = clusters(count, seed)
    tags = np.random.default_rng(seed).permutation(np.array([f"kind {row % kinds}" for row in range(count)]))
    ids = [f"{seed}-{row}" for row in range(count)]
    return label_vectors(vectors, draw(chances[cluster], seed + 100), ids, tags=tags), cluster


def knowing_net(sharpness=1.0, chances=BY_CLUSTER):
    """Knows each VLM's chance in each cluster."""
    return FakeNet(lambda vectors: expit(sharpness * np.log(chances / (1 - chances)))[vectors[:, :3].argmax(axis=1)])


def fitted(net, train, val=None, **changes):
    memory = Memory.of(train, "flat")
    return fit_joint(net, memory, lambda: net, train, val, safe_params(**changes), seed=1), memory


def evidence_on(joint, net, memory, queries):
    found = memory.search(queries.embeddings)
    return gather_evidence(net.score(queries), memory, found, queries.forms, joint.base, joint.old)


def routed(net, train, val=None, **changes):
    """The joint, and what it makes of new queries: evidence and cluster."""
    joint, memory = fitted(net, train, val, **changes)
    new, cluster = made(300, 7)
    return joint, evidence_on(joint, net, memory, new.queries), cluster


def test_with_a_net_of_noise_the_neighbours_choose():
    joint, evidence, cluster = routed(noise_net(), made(400, 0)[0])
    parts, scores = joint.parts(evidence), joint.scores(evidence)
    assert np.abs(parts["net"]).max() < 0.3 * np.abs(parts["neighbours"]).max()
    without_net = evidence.base + parts["neighbours"]
    assert (scores.argmax(axis=1) == without_net.argmax(axis=1)).mean() > 0.97
    assert (scores.argmax(axis=1) == BY_CLUSTER.argmax(axis=1)[cluster]).mean() > 0.97


def test_a_net_that_knows_is_followed():
    """Neighbours know nothing here: each query's cluster is in its vector's length, which they do not see."""
    length = np.random.default_rng(0).integers(1, 4, 600)
    vectors = np.random.default_rng(1).normal(size=(600, 16))
    vectors *= length[:, None] / np.linalg.norm(vectors, axis=1, keepdims=True)
    train = label_vectors(vectors, draw(BY_CLUSTER[length - 1], 2))
    net = FakeNet(lambda vectors: BY_CLUSTER[np.linalg.norm(vectors, axis=1).round().astype(int) - 1])
    joint, memory = fitted(net, train, most_kinds=0)
    queries = queries_of(-vectors)
    scores = joint.scores(evidence_on(joint, net, memory, queries))
    assert (scores.argmax(axis=1) == BY_CLUSTER.argmax(axis=1)[length - 1]).mean() > 0.9


@pytest.mark.parametrize("net", [noise_net(), knowing_net()])
def test_where_queries_tell_nothing_the_best_single_vlm_is_chosen(net):
    joint, evidence, _ = routed(net, made(600, 0, NOTHING_TO_KNOW)[0])
    assert joint.default == 0
    assert (joint.scores(evidence).argmax(axis=1) == 0).mean() > 0.97


def test_val_counts_where_no_fold_is_left_out():
    train, val = made(400, 0)[0], made(200, 3)[0]
    joint, evidence, cluster = routed(knowing_net(), train, val, num_folds=0, most_kinds=0)
    assert (joint.scores(evidence).argmax(axis=1) == BY_CLUSTER.argmax(axis=1)[cluster]).mean() > 0.97
    assert joint.trust.by_form["one image"].num_kinds == 0


def test_without_anything_left_out_the_base_rates_decide():
    joint, evidence, _ = routed(knowing_net(), made(400, 0)[0], num_folds=0, most_kinds=0)
    np.testing.assert_array_equal(joint.scores(evidence), evidence.base)
    base = np.array([0.4, -0.2])
    assert join(base, [], safe_params()).default == 0


def test_kinds_that_gain_are_trusted():
    joint, evidence, _ = routed(knowing_net(), made(600, 0)[0], most_kinds=5)
    assert joint.trust.by_form["one image"].num_kinds == 5
    assert joint.trust.at(evidence.novelty, evidence.forms).mean() > 0.98


def test_a_kind_on_which_the_router_would_lose_is_left_to_the_default():
    """Four kinds are alike; in the fifth, which is far from them, the net prefers a VLM that is never right."""
    train, _ = made(500, 0, kinds=4)
    far = np.zeros((120, 16))
    far[:, 8:] = np.random.default_rng(5).normal(size=(120, 8))
    vectors = np.concatenate([train.queries.embeddings.text, far])
    outcomes = np.concatenate([train.outcomes, np.tile([1.0, 0.0, 0.0], (120, 1))])
    tags = np.concatenate([train.tags, np.full(120, "other")])
    chances = np.concatenate([BY_CLUSTER, [[0.1, 0.1, 0.99]]])

    def confidence(vectors):
        near = np.abs(vectors[:, :3]).max(axis=1) > 0.5
        return chances[np.where(near, vectors[:, :3].argmax(axis=1), 3)]

    net, data = FakeNet(confidence), label_vectors(vectors, outcomes, tags=tags)
    joint, memory = fitted(net, data, most_kinds=5)
    assert joint.trust.by_form["one image"].num_kinds == 5
    unlike = np.zeros((50, 16))
    unlike[:, 3:8] = np.random.default_rng(6).normal(size=(50, 5))
    scores = joint.scores(evidence_on(joint, net, memory, queries_of(unlike)))
    assert (scores.argmax(axis=1) == joint.default).all()
    like = joint.scores(evidence_on(joint, net, memory, made(100, 7)[0].queries))
    assert (like.argmax(axis=1) == BY_CLUSTER.argmax(axis=1)[made(100, 7)[1]]).mean() > 0.9


@pytest.mark.parametrize("told_apart", [False, True])
def test_a_form_on_which_the_router_would_lose_takes_nothing_from_another(told_apart):
    """The net says the second VLM: right in four large kinds of one form, wrong in four small ones of another."""
    count = 4 * 100 + 4 * 30
    first = np.arange(count) < 400
    evidence = evidence_of(
        np.tile(contrasts_of(net=np.array([-1.0, 1.0])), (count, 1, 1)),
        base=[0.5, 0.0],
        novelty=np.random.default_rng(0).random(count),
    )
    forms = np.where(first, "one image", "no image") if told_apart else np.full(count, "one image")
    kinds = np.where(first, [f"large {row % 4}" for row in range(count)], [f"small {row % 4}" for row in range(count)])
    outcomes = np.stack([~first, first], axis=1).astype(np.float32)
    joint = join(np.array([0.5, 0.0]), [LeftOut(replace(evidence, forms=forms), outcomes, kinds)], safe_params())
    trust = {form: of.at(np.array([0.3]))[0] for form, of in joint.trust.by_form.items()}
    expected = {"one image": 1, "no image": 0} if told_apart else {"one image": 0}
    assert trust == pytest.approx(expected, abs=0.01)


def test_left_out_nets_see_neither_the_folds_queries_nor_its_kinds_in_val():
    seen = []

    class Watching(FakeNet):
        def fit(self, train, val=None):
            seen.append([set(train.queries.ids), set(train.tags), set(val.tags), None])
            return self

        def score(self, queries):
            seen[-1][3] = set(queries.ids)
            return super().score(queries)

    train, val = made(300, 0)[0], made(100, 3)[0]
    net = knowing_net()
    params = safe_params(num_folds=3, most_kinds=5)
    fit_joint(net, Memory.of(train, "flat"), lambda: Watching(net.confidence), train, val, params, seed=1)
    assert len(seen) == 8
    for ids, tags, val_tags, scored in seen:
        assert not ids & scored
        assert val_tags == (tags if len(tags) < 5 else set(val.tags))
    assert sum(len(tags) < 5 for _, tags, *_ in seen) == 5


def test_progress(monkeypatch):
    steps = watch_progress(monkeypatch)
    fitted(noise_net(), made(100, 0)[0], num_folds=2, most_kinds=3)
    assert steps == [("left-out fits", done, 5) for done in range(1, 6)]


class TestExtend:
    """A fourth VLM joins; it is right in the first cluster only."""

    NEW = np.array([0.95, 0.05, 0.05])

    def extended(self, told, val=None, net_knows=True, old_net=None):
        """Its outcomes are known on so many queries of train; the queries of val have them if it is given."""
        train, cluster = made(400, 0)
        joint, memory = fitted(old_net or knowing_net(), train)
        own = draw(self.NEW[cluster], 9)
        own[told:] = np.nan
        memory = memory.with_outcomes(np.concatenate([train.outcomes, own[:, None]], axis=1))
        chances = np.concatenate([BY_CLUSTER, self.NEW[:, None] if net_knows else 1 - self.NEW[:, None]], axis=1)
        net = FakeNet(lambda vectors: chances[vectors[:, :3].argmax(axis=1)], 4)
        if val is not None:
            labelled, of_val = made(val, 3)
            own = draw(self.NEW[of_val], 8)
            val = label_vectors(labelled.queries.embeddings.text, np.column_stack([labelled.outcomes, own]))
        extended = extend_joint(joint, net, memory, val)
        new, cluster = made(300, 7)
        return joint, extended, evidence_on(extended, net, memory, new.queries), cluster

    def test_with_few_outcomes_it_is_about_a_constant(self):
        _, extended, evidence, _ = self.extended(told=3, old_net=noise_net())
        spread = np.ptp(extended.scores(evidence), axis=0)
        assert spread[3] < 0.5 * spread[:2].min()
        assert np.median(np.abs(extended.scores(evidence)[:, 3] - extended.base[3])) < 0.3
        assert extended.net_shares[3] == pytest.approx(3 / 400), "its share of the old VLMs' outcomes"

    def test_with_many_its_neighbours_tell(self):
        _, extended, evidence, cluster = self.extended(told=400, old_net=noise_net())
        scores = extended.scores(evidence)[:, 3]
        assert scores[cluster == 0].min() > scores[cluster != 0].max()

    def test_on_val_its_net_can_show_that_it_knows(self):
        shares = {knows: self.extended(told=3, val=200, net_knows=knows)[1].net_shares for knows in (True, False)}
        assert shares[True][3] > 0.3
        assert shares[False][3] < 0.05
        assert all((of[:3] == 1).all() for of in shares.values())

    def test_the_old_vlms_go_on_as_before(self):
        joint, extended, evidence, _ = self.extended(told=400, val=200)
        assert extended.old.tolist() == [True, True, True, False]
        assert (extended.weights, extended.trust) == (joint.weights, joint.trust)
        scores = extended.scores(evidence)
        old = {name: getattr(evidence, name)[:, :3] for name in ("base", "contrasts", "support")}
        before = joint.scores(replace(evidence, **old))
        np.testing.assert_allclose(scores[:, :3], before)
        np.testing.assert_allclose(extended.base[:3], joint.base, atol=0.3)

    def test_the_first_joint_stays_as_it_was(self):
        joint, extended, *_ = self.extended(told=400, val=200)
        assert len(joint.base) == len(joint.net_shares) == 3
        assert len(extended.base) == 4


def test_the_base_is_that_of_all_training_queries():
    train, _ = made(200, 0)
    joint, _ = fitted(noise_net(), train)
    np.testing.assert_allclose(expit(joint.base), base_rates(train.outcomes))
