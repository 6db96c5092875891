from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.extension.strategies import enough_epochs, extend, extend_incrementally, extend_independently, rehearse
from arms.params.training import ExtendParams, IncrementalParams, IndependentParams
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter
from arms.selection.select import select
from tests.fakes import (
    NAMES,
    NEVER_TRAINED,
    OF_OTHER_COUNTS,
    PROFILES,
    label,
    make_queries,
    make_router,
    watch_progress,
)

WHOLE = {"tunable_layers": "all"}
TRAINING = {"epochs": 3, "min_steps": 1, "learning_rate": 0.005}
MADE, VAL = make_queries(48), make_queries(16, seed=1)


@pytest.fixture
def phi():
    """Phi over the first two VLMs."""
    router = make_router(PROFILES[:2], image=WHOLE, text=WHOLE, epochs=2)
    return router.fit(MADE.label(router.encoders, NAMES[:2]))


def state(router):
    return {name: value.clone() for name, value in router.net.state_dict().items()}


def same(one, other):
    return [name for name in one if torch.equal(one[name], other[name])]


class Watched:
    """Phi's weights, pool and scores, to be compared with what they are later."""

    def __init__(self, phi):
        self.phi = phi
        self.queries = VAL.encode(phi.encoders)
        self.state, self.vlms, self.scores = state(phi), phi.vlms, phi.score(self.queries)
        self.training = phi.training

    def check(self):
        assert len(same(self.state, state(self.phi))) == len(self.state)
        assert self.phi.vlms == self.vlms
        np.testing.assert_array_equal(self.phi.score(self.queries), self.scores)
        assert self.phi.training == self.training


def incrementally(phi, trains="all", outcomes=MADE.outcomes, **changes):
    extension = extend_incrementally(
        phi,
        PROFILES,
        label(MADE.encode(phi.encoders), outcomes, NAMES),
        VAL.label(phi.encoders),
        IncrementalParams(**{"trains": trains, **TRAINING, "rehearsal": "all", "rehearsal_share": 1.0, **changes}),
    )
    return list(extension.train()), extension.router


class TestIncremental:
    @pytest.mark.parametrize("trains", ["all", "head"])
    def test_phi_stays_as_it_was(self, phi, trains):
        watched = Watched(phi)
        incrementally(phi, trains)
        watched.check()

    def test_it_covers_the_extended_pool(self, phi, monkeypatch):
        steps = watch_progress(monkeypatch)
        logs, router = incrementally(phi)
        assert isinstance(router, ArmsRouter)
        assert router.vlms == ("counter-2b", "reader-7b", "painter")
        scores = router.score(VAL.encode(router.encoders))
        assert scores.shape == (16, 3)
        assert select(scores, router.policy, router.vlms).shape == (16,)
        assert [log.epoch for log in logs] == [1, 2, 3]
        assert logs[-1].train_loss < logs[0].train_loss
        assert steps[-1] == ("train", 9, 9)
        assert (router.training.learning_rate, router.training.batch_size) == (0.005, phi.training.batch_size)

    def test_it_starts_from_phi(self, phi):
        _, router = incrementally(phi, learning_rate=1e-12)
        queries = VAL.encode(phi.encoders)
        np.testing.assert_allclose(router.score(queries)[:, :2], phi.score(queries), atol=1e-5)

    def test_which_parts_train(self, phi):
        _, router = incrementally(phi, "head")
        unchanged = same(state(phi), state(router))
        assert set(unchanged) == {name for name in state(phi) if "tail" in name} | OF_OTHER_COUNTS | NEVER_TRAINED
        _, router = incrementally(phi, "all")
        assert set(same(state(phi), state(router))) == OF_OTHER_COUNTS | NEVER_TRAINED

    def test_without_outcomes_of_the_new_vlm_it_is_scored_from_its_profile(self, phi):
        outcomes = MADE.outcomes.copy()
        outcomes[:, 2] = np.nan
        logs, router = incrementally(phi, outcomes=outcomes)
        assert router.vlms == ("counter-2b", "reader-7b", "painter")
        assert not logs
        assert len(same(state(phi), state(router))) == len(state(phi))

    def test_what_was_not_rehearsed_is_not_trained_on(self, phi):
        """With a share of 1 the old outcomes are trained on, with a share of 0 they are not."""
        wrong = MADE.outcomes.copy()
        wrong[:, :2] = 1 - wrong[:, :2]
        found = {
            (share, name): incrementally(phi, outcomes=outcomes, rehearsal_share=share)[1]
            for share in (0.0, 1.0)
            for name, outcomes in (("true", MADE.outcomes), ("wrong", wrong))
        }
        for share, alike in ((0.0, True), (1.0, False)):
            one, other = (state(found[share, name]) for name in ("true", "wrong"))
            assert (len(same(one, other)) == len(one)) == alike

    def test_same_queries_trains_on_no_other_query(self, phi):
        """Old outcomes where no new one is known change nothing, and the epochs are shorter."""
        known = MADE.outcomes.copy()
        known[20:, 2] = np.nan
        wrong = known.copy()
        wrong[20:, :2] = 1 - wrong[20:, :2]
        (logs, one), (_, other) = (
            incrementally(phi, outcomes=outcomes, rehearsal="same-queries", min_steps=7) for outcomes in (known, wrong)
        )
        assert len(same(state(one), state(other))) == len(state(one))
        assert len(logs) == 4, "20 queries take 2 steps of 16, so 7 steps take 4 epochs"


def independently(phi, theta=0.6, epochs=2, profiles=PROFILES[2:], **settings):
    encoders = first(phi).encoders
    names = [vlm.name for vlm in profiles]
    train, val = (label(made.encode(encoders), made.outcomes[:, 2:], names) for made in (MADE, VAL))
    params = IndependentParams(**TRAINING | {"epochs": epochs, "start": "phi"})
    return extend_independently(phi, profiles, train, val, params, theta=theta, **settings).trained()


def first(phi):
    return phi.phi if isinstance(phi, CascadeRouter) else phi


class TestIndependent:
    def test_phi_stays_as_it_was(self, phi):
        watched = Watched(phi)
        independently(phi)
        watched.check()

    def test_it_is_a_cascade_of_both(self, phi):
        cascade = independently(phi)
        assert isinstance(cascade, CascadeRouter)
        assert cascade.policy == {"name": "cascade", "theta": 0.6, "pools": [["counter-2b", "reader-7b"], ["painter"]]}
        assert cascade.vlms == ("counter-2b", "reader-7b", "painter")
        assert cascade.phi is phi
        queries = VAL.encode(phi.encoders)
        np.testing.assert_array_equal(cascade.score(queries)[:, :2], phi.score(queries))
        np.testing.assert_array_equal(cascade.score(queries)[:, 2:], cascade.thetas[0].score(queries))

    def test_theta_from_nothing_does_not_depend_on_phi(self, phi):
        untuned = make_router(image=WHOLE, text=WHOLE).encoders
        theta_router = independently(phi, untuned=untuned).thetas[0]
        alone = make_router(
            PROFILES[2:],
            image=WHOLE,
            text=WHOLE,
            epochs=2,
            train=dict.fromkeys(("learning_rate", "tail_learning_rate"), 0.005),
        )
        alone.fit(MADE.label(alone.encoders, NAMES[2:]))
        assert len(same(state(alone), state(theta_router))) == len(state(alone))

    def test_the_encoders_that_theta_starts_from_stay_untuned(self, phi):
        """So a study can start as many routers from them as it likes."""
        untuned = make_router(image=WHOLE, text=WHOLE).encoders
        one, other = (state(independently(phi, untuned=untuned).thetas[0]) for _ in range(2))
        assert len(same(one, other)) == len(one)

    def test_theta_starts_from_phi_by_default(self, phi):
        slow = IndependentParams(epochs=1, min_steps=1, learning_rate=1e-12, start="phi")
        train = MADE.label(phi.encoders, NAMES[2:])
        cascade = extend_independently(phi, PROFILES[2:], train, None, slow, theta=0.5).trained()
        queries = train.queries
        expected = phi.over(PROFILES[2:]).score(queries)
        np.testing.assert_allclose(cascade.thetas[0].score(queries), expected, atol=1e-5)

    def test_a_cascade_gets_one_more(self, phi):
        cascade = independently(phi)
        other = replace(PROFILES[2], name="sculptor")
        longer = independently(cascade, profiles=[other])
        assert longer.vlms == ("counter-2b", "reader-7b", "painter", "sculptor")
        assert longer.thetas[0] is cascade.thetas[0]
        assert len(cascade.thetas) == 1


def rehearsal(share, kind="all"):
    return IncrementalParams(**TRAINING, trains="all", rehearsal=kind, rehearsal_share=share)


class TestRehearse:
    def labelled(self, images):
        queries = MADE.encode(make_router().encoders).subset(np.arange(40))
        return label(replace(queries, image_rows=images), np.ones((40, 3)), NAMES)

    def test_a_share_of_the_images_keeps_its_old_outcomes(self):
        images = np.repeat(np.arange(20), 2)
        train = self.labelled(images)
        known = rehearse(train, 2, rehearsal(0.25), seed=1).known
        kept = known[:, 0]
        assert kept.sum() == 10
        assert all(kept[images == image].all() or not kept[images == image].any() for image in range(20))
        np.testing.assert_array_equal(known[:, 1], kept)
        assert known[:, 2].all()
        assert train.known.all(), "what was handed in stays as it was"

    @pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (1.0, 40)])
    def test_none_and_all(self, share, kept):
        assert rehearse(self.labelled(np.arange(40)), 2, rehearsal(share), seed=1).known[:, :2].sum() == 2 * kept

    @pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (1.0, 10)])
    def test_same_queries_are_those_with_a_new_outcome(self, share, kept):
        """Of 40 queries, 10 have an outcome of the new VLM: exactly their old outcomes train again."""
        train = self.labelled(np.arange(40)).forget(np.arange(40) >= 10, NAMES[2:])
        known = rehearse(train, 2, rehearsal(share, "same-queries"), seed=1).known
        np.testing.assert_array_equal(known.sum(axis=0), [kept, kept, 10])
        assert not known[10:].any()


class TestExtend:
    """Both strategies from one table of outcomes over the extended pool."""

    @pytest.mark.parametrize("strategy", ["incremental", "independent"])
    def test_it_is_the_strategy(self, phi, strategy):
        lengths = {"incremental": {**TRAINING, "trains": "all", "rehearsal": "all", "rehearsal_share": 1.0}}
        lengths["independent"] = {**TRAINING, "epochs": 2, "start": "phi"}
        params = ExtendParams.model_validate({"strategy": strategy, "theta": 0.6, **lengths})
        train, val = MADE.label(phi.encoders), VAL.label(phi.encoders)
        router = extend(strategy, phi, PROFILES, train, val, params, untuned=phi.encoders).trained()
        expected = incrementally(phi)[1] if strategy == "incremental" else independently(phi)
        np.testing.assert_array_equal(router.score(val.queries), expected.score(val.queries))

    def test_it_learns_from_the_queries_that_phi_learned_from(self, phi):
        phi.training = phi.training.model_copy(update={"queries": "answerable"})
        lengths = {"incremental": {**TRAINING, "trains": "all", "rehearsal": "all", "rehearsal_share": 1.0}}
        lengths["independent"] = {**TRAINING, "start": "phi"}
        params = ExtendParams.model_validate({"strategy": "independent", "theta": 0.6, **lengths})
        train = MADE.label(phi.encoders)
        answerable = (train.outcomes[:, :2] == 1).any(axis=1)
        for strategy in ("incremental", "independent"):
            extension = extend(strategy, phi, PROFILES, train, None, params, untuned=phi.encoders)
            assert len(extension.data) == answerable.sum() < len(train)


@pytest.mark.parametrize(
    ("num_queries", "epochs"), [(0, 100), (1, 100), (16, 100), (64, 100), (65, 50), (1000, 7), (6400, 3)]
)
def test_few_outcomes_get_more_epochs(num_queries, epochs):
    assert enough_epochs(num_queries, batch_size=64, epochs=3, min_steps=100) == epochs
