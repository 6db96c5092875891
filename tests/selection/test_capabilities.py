"""VLMs that cannot answer a query are left out, with the reason; what a profile does not say is no obstacle."""

from dataclasses import replace

import numpy as np
import pytest

from arms.data.costs import estimate_tokens
from arms.data.profiles import VlmProfile, read_vlms, write_vlms
from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS
from arms.routers.router import Router
from arms.selection.capabilities import Needs, lacking
from tests.fakes import PROFILES, make_queries, make_router

POOL = (
    VlmProfile(name="open", access="free"),
    VlmProfile(name="single", access="free", max_images=1, tools=False),
    VlmProfile(name="short", access="free", context_tokens=1000, tools=True),
)
MADE = make_queries(2)


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        (Needs(1, 1000), {}),
        (Needs(0, 10), {}),
        (Needs(2, 900), {"single": "takes 1 images at most, not 2"}),
        (Needs(1, 1001), {"short": "takes 1,000 tokens at most, not some 1,001"}),
        (Needs(1, 10, tools=True), {"single": "calls no tools"}),
    ],
)
def test_what_is_known_masks(need, expected):
    lacks, reasons = lacking(POOL, [need, Needs(0, 1)])
    assert reasons == [expected, {}]
    np.testing.assert_array_equal(lacks, [[vlm.name in expected for vlm in POOL], [False] * 3])


def test_tokens_are_estimated():
    assert (
        estimate_tokens(400, 2, STANDARD_COSTS) == 100 + 2 * STANDARD_COSTS.image_tokens + STANDARD_COSTS.answer_tokens
    )


class TestProfiles:
    def test_they_are_kept_and_unknown_ones_are_not_written(self, tmp_path):
        write_vlms(POOL, tmp_path / "vlms.yaml")
        assert read_vlms(tmp_path / "vlms.yaml") == POOL
        written = (tmp_path / "vlms.yaml").read_text()
        assert (written.count("max_images"), written.count("tools:"), written.count("provider: null")) == (1, 2, 3)

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("max_images", -1, "max_images: expected an integer >= 0, or null where unknown, got -1"),
            ("max_images", True, "max_images: expected an integer >= 0"),
            ("context_tokens", 0, "context_tokens: expected an integer >= 1"),
            ("context_tokens", 1.5, "context_tokens: expected an integer >= 1"),
            ("tools", "yes", "tools: expected true or false, or null where unknown, got 'yes'"),
        ],
    )
    def test_wrong_ones(self, key, value, message):
        with pytest.raises(ArmsError, match=message):
            VlmProfile(name="x", access="free", **{key: value})


class TestRoute:
    @pytest.fixture
    def router(self):
        capable = {"counter-2b": {"max_images": 1}, "painter": {"tools": False}}
        return Router(make_router([replace(vlm, **capable.get(vlm.name, {})) for vlm in PROFILES]))

    def test_the_ranking_has_only_those_that_can_answer(self, router):
        one, two, words = router.route_batch([MADE.pictures[:1], MADE.pictures[:2], []], ["Which?"] * 3)
        assert (len(one.ranking), len(two.ranking), len(words.ranking)) == (3, 2, 3)
        assert (one.unable, two.unable) == ({}, {"counter-2b": "takes 1 images at most, not 2"})
        assert "counter-2b" not in {ranked.vlm for ranked in two.ranking}
        assert two.to_json()["unable"] == two.unable
        assert "unable" not in one.to_json()

    def test_the_others_are_as_confident_as_ever(self, router):
        both = Router(make_router())
        two = {ranked.vlm: ranked.confidence for ranked in router.route(MADE.pictures, "Which?").ranking}
        for ranked in both.route(MADE.pictures, "Which?").ranking:
            assert two.get(ranked.vlm, ranked.confidence) == ranked.confidence

    def test_what_is_excluded_is_not_named_again(self, router):
        assert router.route(MADE.pictures, "Which?", exclude=["counter-2b"]).unable == {}

    def test_none_is_left(self, router):
        message = "query 0: expected a VLM of the pool that can answer it, none is left: counter-2b takes 1 images"
        with pytest.raises(ArmsError, match=message):
            router.route(MADE.pictures, "Which?", exclude=["reader-7b"], tools=True)
