"""What every router that reads answers has to do, and what they are given to read."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.selection.select import select
from tests.baselines.made_answers import VLMS, make, unit, without

NAN = np.nan
TRAINING = {"hidden_width": 16, "epochs": 20, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.0}
SEARCH = {"length": 3, "budget": 3.0, "max_pool": 4, "num_thresholds": 5, "search_share": 0.3}
SETTINGS = {"frugal-gpt": TRAINING | SEARCH, "pair-ranker": TRAINING}
TRAIN, VAL = make(120, 0), make(60, 1)


def build(name, vlms=VLMS, seed=3, **changes):
    return build_router(name, vlms, SETTINGS[name] | {"features": "normalised"} | changes, seed=seed)


def fitted(name, train=TRAIN, val=VAL, **changes):
    return build(name, **changes).fit(train, val)


def consult(router, made=VAL):
    return router.consult(made.queries, made.answers)


@pytest.fixture(scope="module")
def routers():
    return {name: fitted(name) for name in SETTINGS}


def check(consulted, made):
    """What holds of every answer."""
    recorded = made.answers.rows >= 0
    confidence, asked = consulted.confidence, consulted.asked
    assert confidence.shape == asked.shape == made.outcomes.shape
    assert (confidence.dtype, asked.dtype) == (np.float32, np.bool_)
    assert np.isfinite(confidence).all()
    assert confidence.max(initial=0) <= 1
    np.testing.assert_array_equal(confidence > 0, asked)
    assert not asked[~recorded].any()
    np.testing.assert_array_equal(asked.any(axis=1), recorded.any(axis=1))


@pytest.mark.parametrize("name", SETTINGS)
class TestContract:
    def test_confidences_and_who_was_asked(self, name, routers):
        assert routers[name].vlms == VLMS
        check(consult(routers[name]), VAL)

    def test_fit_returns_the_router_itself(self, name):
        router = build(name, epochs=1)
        assert router.fit(TRAIN) is router

    def test_it_tells_right_answers_from_wrong_ones(self, name):
        test = make(300, 2)
        best_single = test.em(np.tile(TRAIN.outcomes.mean(axis=0), (300, 1)))
        assert test.em(consult(fitted(name, make(400, 3)), test).confidence) > best_single + 0.1

    def test_a_score_needs_answers(self, name, routers):
        with pytest.raises(ArmsError, match=r"reads the VLMs' answers: call consult\(queries, answers\)"):
            routers[name].score(VAL.queries)
        with pytest.raises(ArmsError, match=r"reads the VLMs' answers: call consult\(queries, answers\)"):
            routers[name].consult(VAL.queries)

    def test_the_score_table_says_who_was_asked(self, name, routers):
        table, consulted = routers[name].scores(name, "base", VAL.queries, VAL.answers), consult(routers[name])
        assert (table.query_ids, table.vlms, table.policy) == (VAL.queries.ids, VLMS, routers[name].policy)
        np.testing.assert_array_equal(table.confidence, consulted.confidence)
        np.testing.assert_array_equal(table.asked, consulted.asked)

    def test_a_fit_needs_answers(self, name):
        with pytest.raises(ArmsError, match="got none: the dataset must have recorded outputs"):
            build(name).fit(replace(TRAIN, answers=None))

    def test_whoever_has_no_answer_is_not_asked(self, name, routers):
        recorded = np.random.default_rng(0).random((60, 4)) < 0.5
        assert (~recorded).all(axis=1).any()
        holey = without(VAL, recorded)
        consulted = consult(routers[name], holey)
        check(consulted, holey)
        chosen = select(consulted.confidence, routers[name].policy, VLMS)
        some = recorded.any(axis=1)
        assert recorded[np.arange(60), chosen][some].all()

    def test_missing_outcomes_and_answers_are_allowed(self, name):
        rng = np.random.default_rng(0)
        outcomes = np.where(rng.random((120, 4)) < 0.3, NAN, TRAIN.outcomes).astype(np.float32)
        train = replace(without(TRAIN, rng.random((120, 4)) < 0.7), outcomes=outcomes)
        train.answers.rows[:, 3] = -1
        check(consult(fitted(name, train, epochs=2)), VAL)

    @pytest.mark.parametrize("outcome", [NAN, 0, 1])
    def test_outcomes_that_teach_nothing(self, name, outcome):
        train, val = (replace(part, outcomes=np.full_like(part.outcomes, outcome)) for part in (TRAIN, VAL))
        check(consult(fitted(name, train, val, epochs=2)), VAL)

    def test_no_answer_in_training(self, name):
        check(consult(fitted(name, without(TRAIN, [False] * 4), epochs=2)), VAL)

    def test_all_randomness_is_the_seed_s(self, name):
        before = torch.get_rng_state()
        one, same, other = (consult(fitted(name, epochs=1, seed=seed)).confidence for seed in (0, 0, 1))
        assert torch.equal(torch.get_rng_state(), before)
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()

    def test_reordering_queries_reorders_what_comes_of_asking(self, name, routers):
        whole = consult(routers[name])
        order = np.random.default_rng(0).permutation(60)
        again = consult(routers[name], VAL.subset(order))
        np.testing.assert_allclose(again.confidence, whole.confidence[order], atol=1e-5)
        np.testing.assert_array_equal(again.asked, whole.asked[order])

    def test_a_pool_of_one(self, name):
        train, val = (part.over(VLMS[:1]) for part in (TRAIN, VAL))
        consulted = consult(fitted(name, train, val, vlms=VLMS[:1], epochs=1), val)
        check(consulted, val)
        assert consulted.asked.all()

    def test_no_queries(self, name, routers):
        nobody = VAL.subset(np.arange(0))
        check(consult(routers[name], nobody), nobody)

    def test_inputs_stay_as_they_are(self, name):
        train, val = copy.deepcopy((TRAIN, VAL))
        for made in (train, val):  # whoever writes to these fails
            for array in (made.outcomes, made.answers.rows, made.answers.vectors, made.answers.truth_rows):
                array.setflags(write=False)
        consult(fitted(name, train, val, epochs=1), val)
        np.testing.assert_array_equal(train.outcomes, TRAIN.outcomes)
        np.testing.assert_array_equal(val.queries.embeddings.text, VAL.queries.embeddings.text)

    def test_the_right_answers_are_not_looked_at(self, name, routers):
        blind = replace(VAL, answers=replace(VAL.answers, truth_rows=np.full(60, -1)))
        one, other = (consult(routers[name], part).confidence for part in (VAL, blind))
        np.testing.assert_array_equal(one, other)

    def test_val_without_answers_is_left_out(self, name):
        alone, *others = (
            consult(fitted(name, val=val, epochs=3)).confidence
            for val in (None, replace(VAL, answers=None), without(VAL, [False] * 4))
        )
        for other in others:
            np.testing.assert_array_equal(other, alone)

    def test_answers_and_queries_go_together(self, name, routers):
        with pytest.raises(ArmsError, match=r"expected answers\.rows of shape \(60, 4\) \(N, S\), got \(10, 4\)"):
            routers[name].consult(VAL.queries, VAL.subset(np.arange(10)).answers)
        with pytest.raises(ArmsError, match=r"expected outcomes of shape \(120, 4\) \(N, S\), got \(120, 3\)"):
            build(name).fit(replace(TRAIN, vlms=VLMS[:3], outcomes=TRAIN.outcomes[:, :3]))
        with pytest.raises(ArmsError, match="expected answers embedded at width 8, as in training, got 5"):
            routers[name].consult(VAL.queries, replace(VAL.answers, vectors=VAL.answers.vectors[:, :5]))
        with pytest.raises(ArmsError, match=r"no pooled embeddings; make them with arms\.features\.pooling"):
            routers[name].consult(replace(VAL.queries, embeddings=None), VAL.answers)


@pytest.mark.parametrize(
    ("features", "image_width", "sides"),
    [
        ("normalised", 4, ["text"]),
        ("normalised", 8, ["text", "image"]),
        ("concat", 8, ["text", "image"]),
        ("image", 8, ["image"]),
        ("text", 8, ["text"]),
        ("image", 4, []),
    ],
)
def test_an_answer_is_read_beside_the_sides_of_its_width(features, image_width, sides):
    """Vectors, answers and sides, each less its mean in training; the products entry by entry; zeros for no answer."""
    train = make(20, 0, image_width)
    train.answers.rows[3, 1] = -1
    router = build("pair-ranker", features=features, epochs=1).fit(train)
    read = router._read(train, train.answers)
    vectors, answers = read.inputs(torch.tensor([3, 5]))

    def centred(matrix, by):
        return (matrix - by.mean(axis=0)) / np.sqrt(np.square(by - by.mean(axis=0)).mean())

    matrix = train.queries.embeddings.matrix(features)
    np.testing.assert_allclose(vectors, centred(matrix, matrix)[[3, 5]], atol=1e-5)
    given = train.answers.vectors[np.unique(train.answers.rows[train.answers.rows >= 0])]
    for i, query in enumerate((3, 5)):
        for j in range(4):
            answer = centred(train.answers.vectors[train.answers.rows[query, j]], given)
            if train.answers.rows[query, j] < 0:
                answer = np.zeros(8)
            sided = [unit(getattr(train.queries.embeddings, side)) for side in sides]
            expected = np.concatenate([answer, *(answer * centred(side, side)[query] for side in sided)])
            np.testing.assert_allclose(answers[i, j], expected, atol=1e-5)
    assert read.answer_width == answers.shape[2] == 8 * (1 + len(sides))
    np.testing.assert_array_equal(np.isnan(read.outcomes), train.answers.rows < 0)


def test_texts_that_nobody_gave_in_training_do_not_count():
    """The table of answers may hold those of other queries too."""
    more = replace(TRAIN.answers, vectors=np.concatenate([TRAIN.answers.vectors, unit(np.ones((50, 8)))]))
    one, other = (
        consult(fitted("pair-ranker", train, val=None, epochs=2)).confidence
        for train in (TRAIN, replace(TRAIN, answers=more))
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_checked(name):
    with pytest.raises(
        ArmsError, match=rf"baselines\.{name}\.hidden_width: expected greater than or equal to 1, got 0"
    ):
        build(name, hidden_width=0)
