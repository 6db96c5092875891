import numpy as np
import pytest

from arms.safe.confidence import Confidence
from arms.safe.joint import SOURCES, Joint
from arms.safe.memory import Found
from arms.safe.trust import Trust, TrustByForm
from arms.safe.weights import Weights
from arms.safe.why import SHOWN_NEIGHBOURS, Neighbour, explain
from tests.safe.made import contrasts_of, directions, evidence_of, remember

VLMS = ("best", "other", "third")
BASE = np.array([0.5, 0.0, -0.5])
EVERYWHERE = TrustByForm.everywhere(Trust(9.0, 0.1, 5))
MEMORY = remember(directions(10), np.tile([1.0, 0.0, np.nan], (10, 1)))
FOUND = Found(np.linspace(0.9, 0.2, 8, dtype=np.float32)[None], np.arange(8)[None])


def explained(contrasts, trust=EVERYWHERE, found=FOUND, novelty=0.3):
    """Why one query with these contrasts goes where it goes, if all sources count alike."""
    weights = Weights(np.ones((len(SOURCES), 1)), np.zeros(0))
    confidence = Confidence(1.0, 1.0, 0.0, np.zeros(len(SOURCES)))
    joint = Joint(BASE, np.ones(3), np.ones(3, dtype=bool), weights, trust, confidence)
    (why,) = explain(joint, MEMORY, VLMS, evidence_of(contrasts, BASE, np.array([novelty])), found)
    return why


def test_the_default_decides_where_nothing_is_said():
    why = explained(contrasts_of(net=np.zeros(3)))
    assert (why.decided_by, why.default, why.surest) == ("default", "best", "best")
    assert why.beats_default == 0.5


def test_the_default_decides_where_too_little_is_said_for_another():
    why = explained(contrasts_of(net=np.array([0.0, 0.4, 0.0])))
    assert (why.decided_by, why.beats_default) == ("default", 0.5)


def test_what_the_net_says_for_the_default_is_still_the_default():
    assert explained(contrasts_of(net=np.array([2.0, 0.0, 0.0]))).decided_by == "default"


def test_the_net_decides():
    why = explained(contrasts_of(net=np.array([0.0, 2.0, 0.0])))
    assert (why.decided_by, why.default, why.surest) == ("net", "best", "other")
    assert why.beats_default == pytest.approx(1 / (1 + np.exp(-1.5)))


def test_the_neighbours_decide():
    why = explained(contrasts_of(neighbours=np.array([0.0, 0.0, 2.0])))
    assert (why.decided_by, why.surest) == ("neighbours", "third")
    assert why.beats_default > 0.9


@pytest.mark.parametrize(
    ("net", "neighbours", "decider"),
    [([0, 5, 0], [0, 0.1, 0], "net"), ([0, 0.5, 0], [0, 1, 0], "neighbours"), ([0, -1, 0], [0, 3, 0], "neighbours"),
     ([5, 0, 0], [0, 3, 0], "neighbours"), ([-4, 1, 0], [0, 0.5, 0], "net")],
)  # fmt: skip
def test_whoever_speaks_most_for_the_surest_over_the_default_decides(net, neighbours, decider):
    contrasts = contrasts_of(net=np.array(net, dtype=float), neighbours=np.array(neighbours, dtype=float))
    assert explained(contrasts).decided_by == decider


def test_far_from_the_training_queries_the_default_decides():
    contrasts = contrasts_of(net=np.array([0.0, 2.0, 0.0]))
    limit = TrustByForm.everywhere(Trust(0.5, 0.02, 5))
    near, far = (explained(contrasts, limit, novelty=novelty) for novelty in (0.1, 0.9))
    assert (near.decided_by, far.decided_by) == ("net", "default")
    assert (near.novelty, far.novelty) == (0.1, 0.9)
    assert near.trust > 0.99 > 0.01 > far.trust


def test_the_nearest_training_queries():
    why = explained(contrasts_of(net=np.zeros(3)))
    assert len(why.neighbours) == SHOWN_NEIGHBOURS
    assert why.neighbours[0] == Neighbour("q0", pytest.approx(0.9), ("best",), ("other",))
    similarities = [near.similarity for near in why.neighbours]
    assert similarities == sorted(similarities, reverse=True)


def test_an_index_that_found_fewer():
    found = Found(FOUND.similarity, np.array([[4, 2, -1, -1, -1, -1, -1, -1]]))
    assert [near.query_id for near in explained(contrasts_of(net=np.zeros(3)), found=found).neighbours] == ["q4", "q2"]
