import copy
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from arms.data.profiles import VlmProfile, profile_sentence
from arms.errors import ArmsError
from arms.features.online import encode_texts
from arms.routers.cascade import CascadeRouter
from arms.routers.route import RankedVlm, Route
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.training.temperature import fit_temperature
from tests.fakes import CPU, NAMES, NEVER_TRAINED, OF_OTHER_COUNTS, PROFILES, make_queries, make_router

WHOLE = {"tunable_layers": "all"}
MADE = make_queries(48)


@pytest.fixture(scope="module")
def router():
    """A router that has learnt a little; tests only read it."""
    router = make_router(image=WHOLE, text=WHOLE, epochs=12)
    return router.fit(MADE.label(router.encoders))


class TestKeptEpoch:
    def test_training_until_an_epoch_is_training_on_to_it(self, tmp_path):
        whole, part = make_router(epochs=4), make_router(epochs=4)
        data, queries = MADE.label(whole.encoders), MADE.encode(whole.encoders)
        training = whole.train(data)
        for _ in range(2):
            next(training)
        after_two = whole.score(queries)
        assert [log.epoch for log in part.train(data, until=2)] == [1, 2]
        assert (part.kept_epoch, part.net.training) == (2, False)
        np.testing.assert_allclose(part.score(queries), after_two, atol=1e-6)
        part.save(tmp_path / "router")
        assert load_router(tmp_path / "router", device="cpu").kept_epoch == 2

    def test_without_val_it_is_the_last(self, router):
        assert router.kept_epoch == 12


class TestPool:
    def test_a_vlm_is_scored_by_its_profile(self, router):
        queries = MADE.encode(router.encoders)
        scores = router.score(queries)
        np.testing.assert_allclose(router.over(PROFILES[::-1]).score(queries), scores[:, ::-1], atol=1e-6)
        np.testing.assert_allclose(router.over(PROFILES[1:2]).score(queries), scores[:, 1:2], atol=1e-6)
        assert router.vlms == ("counter-2b", "reader-7b", "painter")

    def test_a_new_vlm_is_scored_without_training(self, router):
        newer = VlmProfile(name="reader-70b", access="paid", params_b=70, language_model="Prose")
        wider = router.over([*PROFILES, newer])
        assert wider.vlms[-1] == "reader-70b"
        queries = MADE.encode(router.encoders)
        scores = wider.score(queries)
        np.testing.assert_allclose(scores[:, :3], router.score(queries), atol=1e-6)
        assert np.abs(scores[:, 3:] - scores[:, :3]).min(axis=0).max() > 0
        assert len(router.vlms) == 3

    def test_what_the_sentence_says(self):
        for kind in ("full", "name"):
            router = make_router(text=WHOLE, router={"profile": kind})
            sentences = [profile_sentence(profile, kind) for profile in PROFILES]
            expected = encode_texts(router.encoders, sentences, CPU).take(np.arange(3))
            assert torch.equal(router.profile_batch["token_ids"], expected["token_ids"])

    def test_two_alike(self):
        twin = replace(PROFILES[0], price_in=1.0)  # which the sentence leaves out
        with pytest.raises(
            ArmsError, match=r"two VLMs have the same profile sentence, so no router can tell them apart"
        ):
            make_router([*PROFILES, twin])


class TestContinued:
    def test_the_first_one_stays_as_it_is(self, router):
        queries = MADE.encode(router.encoders)
        before, scores = {k: v.clone() for k, v in router.net.state_dict().items()}, router.score(queries)
        training = router.training.model_copy(update={"learning_rate": 0.1, "epochs": 1})
        other = router.continued(PROFILES[:2], training)
        np.testing.assert_allclose(other.score(queries), scores[:, :2], atol=1e-6)  # it starts from the same weights
        other.fit(MADE.label(router.encoders, NAMES[:2]))
        assert np.abs(other.score(queries) - scores[:, :2]).max() > 1e-3
        assert all(torch.equal(value, before[name]) for name, value in router.net.state_dict().items())
        np.testing.assert_array_equal(router.score(queries), scores)
        assert (router.vlms, router.training.epochs, router.training.learning_rate) == (NAMES, 12, 0.01)

    def test_training_the_head_leaves_the_tails(self, router):
        other = router.continued(PROFILES, router.training.model_copy(update={"trains": "head", "epochs": 1}))
        other.fit(MADE.label(router.encoders))
        for name, value in other.net.state_dict().items():
            stays = "tail" in name or name in OF_OTHER_COUNTS | NEVER_TRAINED
            assert torch.equal(value, router.net.state_dict()[name]) == stays, name


@pytest.fixture(scope="module")
def pair():
    made, val = make_queries(64), make_queries(200, seed=5)
    routers = []
    for calibrate in (False, True):
        router = make_router(train={"calibrate": calibrate}, epochs=3)
        routers.append(router.fit(made.label(router.encoders), val.label(router.encoders)))
    return *routers, val.encode(router.encoders), val.outcomes


class TestCalibration:
    """A router calibrated on val: the same choices, other confidences, and the same after a save."""

    def test_confidences_are_divided_by_the_temperature(self, pair):
        plain, calibrated, queries, outcomes = pair
        assert plain.temperature == 1
        logits = np.log(plain.score(queries) / (1 - plain.score(queries)))
        assert calibrated.temperature == pytest.approx(fit_temperature(logits, outcomes), rel=1e-3)
        expected = 1 / (1 + np.exp(-logits / calibrated.temperature))
        np.testing.assert_allclose(calibrated.score(queries), expected, atol=1e-5)

    def test_the_loss_on_val_is_no_worse(self, pair):
        plain, calibrated, queries, outcomes = pair

        def loss(router):
            confidence = router.score(queries)
            return -np.log(np.where(outcomes == 1, confidence, 1 - confidence)).mean()

        assert loss(calibrated) <= loss(plain)

    def test_it_is_saved(self, pair, tmp_path):
        _, calibrated, queries, _ = pair
        calibrated.save(tmp_path / "router")
        loaded = load_router(tmp_path / "router", device="cpu")
        assert loaded.temperature == calibrated.temperature
        np.testing.assert_array_equal(loaded.score(queries), calibrated.score(queries))

    def test_without_val_there_is_none(self):
        made, router = make_queries(20), make_router(train={"calibrate": True})
        assert router.fit(made.label(router.encoders)).temperature == 1


def test_a_seed_gives_the_untrained_net():
    weights = [make_router(seed=seed).net.gate.project.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


class TestRoute:
    def test_it_ranks_the_pool_by_confidence(self, router):
        (scores,) = router.score(router.encode(MADE.pictures[:1], MADE.questions[:1]))
        route = Router(router).route(MADE.pictures[0], MADE.questions[0])
        assert isinstance(route, Route)
        order = np.argsort(-scores, kind="stable")
        assert [ranked.vlm for ranked in route.ranking] == [router.vlms[j] for j in order]
        assert [ranked.confidence for ranked in route.ranking] == pytest.approx(sorted(scores, reverse=True))
        assert route.vlm == route.ranking[0].vlm == router.vlms[scores.argmax()]

    def test_a_batch_is_one_after_the_other(self, router):
        pictures, questions = MADE.pictures[:9], MADE.questions[:9]
        batch = list(Router(router).route_batch(pictures, questions))
        for route, picture, question in zip(batch, pictures, questions, strict=True):
            alone = Router(router).route(picture, question)
            assert [ranked.vlm for ranked in route.ranking] == [ranked.vlm for ranked in alone.ranking]
            expected = [ranked.confidence for ranked in alone.ranking]
            assert [ranked.confidence for ranked in route.ranking] == pytest.approx(expected, abs=1e-5)
        assert len({route.vlm for route in batch}) > 1

    def test_an_empty_batch(self, router):
        assert list(Router(router).route_batch([], [])) == []

    def test_images_from_anywhere(self, router, tmp_path):
        MADE.pictures[0].save(tmp_path / "a.png")
        content = (tmp_path / "a.png").read_bytes()
        with (tmp_path / "a.png").open("rb") as opened:
            sources = [tmp_path / "a.png", str(tmp_path / "a.png"), opened, io.BytesIO(content), MADE.pictures[0]]
            routes = list(Router(router).route_batch(sources, MADE.questions[:1] * 5))
        assert (
            len({tuple((ranked.vlm, round(ranked.confidence, 5)) for ranked in route.ranking) for route in routes}) == 1
        )

    def test_pictures_are_seen_as_people_see_them(self, router, tmp_path):
        """Turned, deep and transparent, or plain: the same route."""
        plain = MADE.pictures[0]
        exif = Image.Exif()
        exif[0x0112] = 6
        plain.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
        ground = Image.new("RGB", (60, 40), "white")
        ground.paste((200, 30, 30), (10, 10, 30, 25))
        clear = np.asarray(ground.convert("RGBA")).copy()
        clear[(clear[..., :3] == 255).all(axis=-1)] = 0
        grey = np.asarray(plain.convert("L"))
        deep = Image.fromarray(grey.astype(np.uint16) * 257)
        twins = [
            (tmp_path / "turned.png", plain),
            (Image.fromarray(clear), ground),
            (deep, Image.fromarray(grey)),
        ]
        for other, twin in twins:
            got, expected = (Router(router).route(source, "Read the sign.") for source in (other, twin))
            assert got == expected

    @pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
    def test_images_of_any_mode(self, router, mode):
        assert len(Router(router).route(Image.new(mode, (40, 30)), "Read the sign.").ranking) == 3

    def test_questions_in_any_script(self, router):
        routes = Router(router).route_batch(MADE.pictures[:3], ["有几个点?", "Сколько точек?", "word " * 500])
        assert all(0 <= ranked.confidence <= 1 for route in routes for ranked in route.ranking)

    def test_what_is_no_character_counts_as_the_replacement_character(self, router):
        halves = [
            "Count \ud800 dots.",
            "Gr\udcfcn?",
            "\udfff",
        ]  # as JSON, and a terminal of another encoding, give them
        replaced = ["Count \ufffd dots.", "Gr\ufffdn?", "\ufffd"]
        pictures = MADE.pictures[:3]
        routes = [list(Router(router).route_batch(pictures, questions)) for questions in (halves, replaced)]
        assert routes[0] == routes[1]
        joined = [Router(router).route(pictures[0], text) for text in ("\ud83d\ude00 dots", "\U0001f600 dots")]
        assert joined[0] == joined[1]

    def test_a_question_of_ten_megabytes(self, router):
        """Only its ends are read, whatever stands between."""
        ends = ("Count the dots. " * 500, "Read the sign. " * 500)
        seen = []
        tokenizer = router.encoders.text.tokenizer

        class Watched:
            def encode_batch(self, texts):
                seen.extend(map(len, texts))
                return tokenizer.encode_batch(texts)

        text = replace(router.encoders.text, tokenizer=Watched())
        watched = copy.copy(router)
        watched.encoders = replace(router.encoders, text=text)
        questions = [middle.join(ends) for middle in ("a " * 5_000_000, "\u0915" * 10_000_000)]
        one, other = Router(watched).route_batch(MADE.pictures[:1] * 2, questions)
        assert one == other
        assert max(seen) <= 2 * 64 * text.max_tokens + 1

    @pytest.mark.parametrize("question", ["", " \n"])
    def test_a_picture_without_words(self, router, question):
        route, other = Router(router).route_batch(MADE.pictures[:2], [question, "Read the sign."])
        assert all(0 <= ranked.confidence <= 1 for ranked in route.ranking)
        assert route != other

    @pytest.mark.parametrize("question", [None, 3])
    def test_no_question(self, router, question):
        with pytest.raises(ArmsError, match=re.escape(f"question 1: expected text, got {question!r}")):
            list(Router(router).route_batch(MADE.pictures[:2], ["Read the sign.", question]))

    def test_unequal_lengths(self, router):
        with pytest.raises(
            ArmsError, match="expected as many questions as entries of images, got 2 entries and 1 questions"
        ):
            Router(router).route_batch(MADE.pictures[:2], ["Read the sign."])

    def test_a_missing_image(self, router, tmp_path):
        with pytest.raises(ArmsError, match=r"none\.png: no such image"):
            Router(router).route(tmp_path / "none.png", "Read the sign.")

    def test_images_that_cannot_be_read(self, router, tmp_path):
        (tmp_path / "text.png").write_text("not a picture")
        (tmp_path / "empty.png").touch()
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 80).save(buffer, "PNG")
        (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:-900])
        with Image.open(tmp_path / "cut.png") as lazy:
            for source in (*tmp_path.iterdir(), str(tmp_path), io.BytesIO(b"GIF89a"), lazy):
                with pytest.raises(ArmsError, match=r"not a readable image: |expected one of PNG, |expected a regular"):
                    Router(router).route(source, "Read the sign.")

    def test_what_is_no_image(self, router):
        with pytest.raises(ArmsError, match="expected an image as a path, binary file or PIL image, got ndarray"):
            Router(router).route(np.zeros((3, 3, 3), dtype=np.uint8), "Read the sign.")

    def test_weights_that_are_no_numbers(self, router):
        broken = router.continued(PROFILES, router.training)
        with torch.no_grad():
            next(broken.net.gate.parameters()).fill_(torch.nan)
        with pytest.raises(ArmsError, match="expected confidences from the router, got values that are no numbers"):
            Router(broken).route(MADE.pictures[0], "Read the sign.")

    def test_the_choice_is_the_policys(self, router):
        """With the cascade Phi's VLM comes first where Phi is sure, though Theta is surer of its own."""
        phi, theta_router = router.over(PROFILES[:2]), router.over(PROFILES[2:])
        for theta in (0.0, 1.0):
            cascade = CascadeRouter(phi, [theta_router], theta=theta)
            routes = list(Router(cascade).route_batch(MADE.pictures, MADE.questions))
            best = [max(route.ranking, key=lambda ranked: ranked.confidence).vlm for route in routes]
            assert "painter" in best
            if theta == 0:
                assert "painter" not in {route.vlm for route in routes}
            else:
                assert [route.vlm for route in routes] == best
            for route in routes:
                rest = [ranked.confidence for ranked in route.ranking[1:]]
                assert rest == sorted(rest, reverse=True)


def test_a_route_by_hand():
    assert Route((RankedVlm("b", 0.7), RankedVlm("a", 0.9))).vlm == "b"
