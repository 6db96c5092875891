"""Colours, conditions and what they do to a picture."""

import numpy as np
import pytest
from PIL import Image

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS, draw_distinct, draw_shade, middle_shade, standing_out
from pretrain.drawing.conditions import Quality, draw_conditions
from pretrain.drawing.effects import degrade
from pretrain.scenes.base import load_family, most_frequent


class TestConditions:
    def test_colours_stand_out_from_their_ground(self) -> None:
        for name in COLOURS:
            assert name not in standing_out(COLOURS, (middle_shade(name),))

    def test_no_two_colours_of_a_picture_look_alike(self) -> None:
        rng = np.random.default_rng(0)
        pairs = [tuple(draw_distinct(COLOURS, 2, rng)) for _ in range(300)]
        assert not {("red", "brown"), ("orange", "red"), ("yellow", "orange"), ("blue", "purple")} & {*pairs}
        assert all(len({*pair}) == 2 for pair in pairs)

    def test_shades_vary_within_their_name(self) -> None:
        rng = np.random.default_rng(0)
        reds = np.array([draw_shade("red", rng) for _ in range(100)])
        assert (reds[:, 0] > reds[:, 1:].max(axis=1) + 90).all()
        assert reds.std(axis=0).max() > 5

    @pytest.mark.parametrize("quality", ["blurred", "low-resolution", "noisy", "jpeg"])
    def test_every_quality_changes_the_picture_but_not_its_size(self, quality: Quality) -> None:
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
        worse = degrade(picture, quality, np.random.default_rng(1))
        assert worse.size == picture.size
        assert worse.tobytes() != picture.tobytes()
        assert degrade(picture, "sharp", np.random.default_rng(1)) is picture

    def test_a_tilted_squashed_drawing_stays_in_the_picture(self) -> None:
        square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
        for seed in range(50):
            canvas = Canvas(draw_conditions(np.random.default_rng(seed)), 64, np.random.default_rng(0))
            assert min(canvas._to_px(square)) >= -1e-6
            assert max(canvas._to_px(square)) <= 128 + 1e-6

    def test_still_families_are_upright_and_fine_ones_large(self) -> None:
        still, fine = load_family("positions"), load_family("tables")
        for seed in range(80):
            kept = still.draw_conditions(np.random.default_rng(seed))
            assert (kept.tilt, kept.squash, kept.scale) == (0.0, (1.0, 1.0), 1.0)
            assert fine.draw_conditions(np.random.default_rng(seed)).scale > 0.8

    def test_most_frequent(self) -> None:
        assert most_frequent(["a", "b", "a"]) == "a"
        assert most_frequent(["a", "b"]) is None
        assert most_frequent([]) is None
