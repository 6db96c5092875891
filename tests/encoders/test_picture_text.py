"""The text in a picture as numbers behind its vectors: what they say, where they go, and what is refused."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from arms.encoders import picture_text
from arms.encoders.image import build_image_encoder
from arms.encoders.picture_text import NUM_NUMBERS, models_folder, text_numbers
from arms.errors import ArmsError
from arms.features.extract import extract
from arms.features.online import encode_queries
from arms.features.pooling import add_embeddings
from arms.features.store import FeatureStore
from tests.encoders.cuts import EXACT, image_batch, run
from tests.fakes import CPU, RESNET, image_params, make_encoders, make_router
from tests.stores import keys

ANY, LINES, CHARACTERS, COVERED, HEIGHT, SURE, DIGITS, LATIN, OTHERS, SIGNS = range(NUM_NUMBERS)

installed = pytest.mark.skipif(
    any(picture_text.find_spec(name) is None for name in ("rapidocr", "onnxruntime")), reason="pip install 'arms[ocr]'"
)


def draw(*lines, size=(320, 200), height=24, colour="black"):
    """Lines of text on white."""
    picture = Image.new("RGB", size, "white")
    for place, line in enumerate(lines):
        ImageDraw.Draw(picture).text((20, 20 + 2 * height * place), line, colour, ImageFont.load_default(height))
    return picture


@installed
class TestNumbers:
    def test_of_a_picture_without_text(self):
        box = Image.new("RGB", (200, 150), "white")
        ImageDraw.Draw(box).rectangle((40, 30, 120, 110), "red")  # a circle may be read as the digit 0
        for picture in (box, Image.new("RGB", (300, 300))):
            assert not text_numbers(picture).any()

    @pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 9000), (9000, 1), (17, 300)])
    def test_of_a_picture_of_any_shape(self, size):
        assert not text_numbers(Image.new("RGB", size, "white")).any()

    def test_of_words(self):
        numbers = text_numbers(draw("Shipping address"))
        assert (numbers[ANY], numbers[DIGITS], numbers[OTHERS]) == (1, 0, 0)
        assert numbers[LATIN] > 0.9
        assert numbers[SURE] > 0.8
        assert numbers[LINES] == pytest.approx(np.log(2) / np.log(101), abs=0.003)
        assert numbers[CHARACTERS] == pytest.approx(np.log(16) / np.log(1001), abs=0.003)
        assert 0.1 < numbers[HEIGHT] ** 2 < 0.3  # a line of 24 of 200 pixels, and some room around it
        assert 0.05 < numbers[COVERED] ** 2 < 0.2

    def test_of_digits_and_signs(self):
        numbers = text_numbers(draw("2749", "5083"))
        assert (numbers[DIGITS], numbers[LATIN], numbers[SIGNS]) == (1, 0, 0)
        assert numbers[LINES] > text_numbers(draw("2749"))[LINES]
        assert text_numbers(draw("95% (+12)"))[SIGNS] > 0.3

    def test_more_text_gives_more(self):
        one, three = text_numbers(draw("water")), text_numbers(draw("water", "and fire", "and earth"))
        assert (three[[LINES, CHARACTERS, COVERED]] > one[[LINES, CHARACTERS, COVERED]]).all()

    def test_many_lines_are_judged_by_some(self):
        page = draw(*(f"the line of number {n}" for n in range(14)), size=(400, 500), height=16)
        numbers = text_numbers(page)
        assert numbers[LINES] == pytest.approx(np.log(15) / np.log(101), abs=0.02)

    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_of_text_that_is_turned(self, degrees):
        numbers = text_numbers(draw("Shipping address").rotate(degrees, expand=True))
        assert numbers[ANY] == 1
        assert numbers[LATIN] > 0.9
        assert numbers[SURE] > 0.8

    def test_scripts(self):
        kinds = picture_text._shares("aß1٣中文Ж!?")
        assert kinds == pytest.approx([2 / 9, 2 / 9, 3 / 9, 2 / 9])

    def test_are_the_same_in_any_thread_and_have_eight_bits(self):
        picture = draw("Shipping address", "14 Elm Road, 90210")
        expected = text_numbers(picture)
        with ThreadPoolExecutor(4) as pool:
            for numbers in pool.map(text_numbers, [picture] * 8):
                np.testing.assert_array_equal(numbers, expected)
        np.testing.assert_allclose(255 * expected, np.rint(255 * expected), atol=1e-4)

    def test_nothing_is_asked_of_the_network(self, monkeypatch):
        def refuse(*_, **__):
            raise AssertionError("it asked the network")

        picture_text._engine.cache_clear()
        monkeypatch.setattr(socket.socket, "connect", refuse)
        assert text_numbers(draw("offline"))[ANY] == 1


@installed
class TestEncoder:
    @pytest.mark.parametrize("architecture", [None, RESNET], ids=["vit", "resnet"])
    def test_the_numbers_stand_behind_the_models_own_vectors(self, architecture):
        changes = {} if architecture is None else {"architecture": architecture}
        own, given = (build_image_encoder(image_params(ocr=ocr, **changes), seed=1) for ocr in (False, True))
        images = [draw("Shipping address"), Image.new("RGB", (40, 40), "red")]
        _, expected = run(own, image_batch(own, images))
        _, output = run(given, image_batch(given, images))
        assert (given.width, given.token_width) == (own.width + NUM_NUMBERS, own.token_width + NUM_NUMBERS)
        numbers = torch.from_numpy(np.stack([text_numbers(image) for image in images]))
        for name, wanted in expected.items():
            torch.testing.assert_close(output[name][..., :-NUM_NUMBERS], wanted, **EXACT)
            lengths = wanted.norm(dim=-1, keepdim=True)
            beside = numbers if wanted.ndim == 2 else numbers[:, None]
            torch.testing.assert_close(output[name][..., -NUM_NUMBERS:], 0.25 * lengths * beside, **EXACT)

    def test_text_moves_a_vector_and_leaves_it_near(self):
        encoder = build_image_encoder(image_params(ocr=True), seed=1)
        pixels = image_batch(encoder, [draw(*["Shipping address"] * 4)] * 2)["pixels"]
        pixels[1, :, -1] = 0  # the same picture, its text not read
        with_it, without = encoder.trunk({"pixels": pixels})["pooled"]
        assert 0.85 < torch.cosine_similarity(with_it, without, dim=0) < 0.95

    def test_the_picture_that_is_read_is_the_one_that_is_seen(self, tmp_path):
        """Turned as the file says, and laid on white."""
        upright = draw("Shipping address")
        turned = upright.rotate(90, expand=True)
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise
        turned.save(tmp_path / "turned.png", exif=exif)
        clear = Image.new("RGBA", upright.size, (0, 0, 0, 0))
        clear.paste("black", mask=upright.convert("L").point(lambda value: 255 - value))
        clear.save(tmp_path / "clear.png")
        encoder = build_image_encoder(image_params(ocr=True), seed=1)
        expected = encoder.read(upright)[:, -1]
        assert expected.any()
        for name in ("turned", "clear"):
            np.testing.assert_array_equal(encoder.read(tmp_path / f"{name}.png")[:, -1], expected)

    def test_through_the_store(self, tmp_path):
        encoder = make_encoders(image={"ocr": True}).image
        images = [draw("Shipping address"), draw("2749"), Image.new("RGB", (50, 40), "blue")]
        names = keys(*range(len(images)))
        store = FeatureStore(tmp_path / "image.zarr", encoder.fingerprint)
        settings = {"label": "image", "batch_size": 2, "shard_bytes": 2**20, "workers": 2, "device": CPU}
        with store.writing():
            assert extract(store, names, lambda key: encoder.read(images[names.index(key)]), encoder, **settings) == 3
            store.finish()
        stored = store.load()
        online = encode_queries(make_encoders(image={"ocr": True}), images, ["?"] * 3, CPU)
        for name, values in online.images.arrays.items():
            ours = stored.arrays[name][stored.rows(names)]
            np.testing.assert_allclose(ours, values[online.first_images], atol=2e-3 if name == "tokens" else 1e-5)
        assert (stored.arrays["pooled"][stored.rows(names), -NUM_NUMBERS] > 0).tolist() == [True, True, False]

    def test_a_query_without_a_picture_has_zeros(self):
        encoders = make_encoders(image={"ocr": True})
        queries = encode_queries(encoders, [[], [draw("2749")]], ["How many?"] * 2, CPU)
        embeddings = add_embeddings(queries, encoders, batch_size=2, device=CPU).embeddings
        assert embeddings.has_image.tolist() == [False, True]
        assert np.isfinite(make_router(image={"ocr": True}).score(queries)).all()

    def test_the_fingerprint_names_the_reader_and_only_where_it_is_used(self):
        own, given = (make_encoders(image={"ocr": ocr}).image.fingerprint for ocr in (False, True))
        assert own == make_encoders().image.fingerprint
        assert "ocr" not in own
        assert given["ocr"]["rapidocr"] == picture_text.version("rapidocr")
        assert len(given["ocr"]["models"]) == 3
        assert json.loads(json.dumps(given)) == given
        assert given == make_encoders(image={"ocr": True}).image.fingerprint

    def test_it_is_frozen(self):
        with pytest.raises(ArmsError, match="with ocr: true it cannot be cut; set tunable_layers: 0"):
            build_image_encoder(image_params(ocr=True, tunable_layers=1), seed=1)


class TestModels:
    @pytest.fixture(autouse=True)
    def forget(self):
        models_folder.cache_clear()
        yield
        models_folder.cache_clear()

    def test_that_are_not_installed(self, monkeypatch):
        monkeypatch.setattr(picture_text, "find_spec", lambda name: None)
        message = r"image.ocr: true reads text with rapidocr; rapidocr and onnxruntime not installed; run: pip install "
        with pytest.raises(ArmsError, match=message):
            build_image_encoder(image_params(ocr=True), seed=1)

    def test_that_are_missing_or_others(self, monkeypatch, tmp_path):
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "PP-OCRv6_det_small.onnx").write_text("{}")
        spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
        monkeypatch.setattr(picture_text, "find_spec", lambda name: spec)
        with pytest.raises(ArmsError, match=r"det_small.onnx: expected sha256 090f04\w+, got 44136f\w+; install the"):
            models_folder()
        (tmp_path / "models" / "PP-OCRv6_det_small.onnx").unlink()
        with pytest.raises(ArmsError, match=r"det_small.onnx: expected sha256 090f04\w+, got no such file; install"):
            models_folder()
