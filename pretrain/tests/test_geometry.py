"""Scenes drawn at random: what is said of them is true of the geometry."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.drawing.conditions import draw_conditions
from pretrain.drawing.figures import CONVEX_KINDS, KINDS, outline, place_figure
from pretrain.scenes.crossings import draw_crossings, meets
from pretrain.scenes.nested import draw_nested
from pretrain.scenes.shapes import Mark, ShapesScene, draw_shapes, place_shapes
from pretrain.scenes.touching import contact_distance, draw_touching, overlap
from pretrain.tests.pictures import PLAIN, paint

seeds = st.integers(0, 2**32).map(np.random.default_rng)
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def crossings_of(one: np.ndarray, other: np.ndarray) -> int:
    """How often two polylines cross, stretch by stretch, by the sides on which the ends lie."""

    def side(a: np.ndarray, b: np.ndarray, point: np.ndarray) -> float:
        return float((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]))

    return sum(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for a, b in pairwise(one)
        for c, d in pairwise(other)
    )


class TestGeometry:
    @quick
    @given(rng=seeds)
    def test_lines_cross_as_often_as_said(self, rng: np.random.Generator) -> None:
        scene = draw_crossings(draw_conditions(rng), rng)
        lines = [line.points for line in scene.lines]
        counted = sum(crossings_of(a, b) for number, a in enumerate(lines) for b in lines[:number])
        assert counted == scene.crossings
        assert all(points.min() >= 0 and points.max() <= 1 for points in lines)

    def test_near_misses_of_straight_lines_are_left_out(self) -> None:
        line = np.array([[0.0, 0.5], [1.0, 0.5]])
        assert meets(np.array([[0.5, 0.1], [0.5, 0.9]]), line) is True
        assert meets(np.array([[0.5, 0.1], [0.5, 0.3]]), line) is False
        assert meets(np.array([[0.5, 0.1], [0.5, 0.51]]), line) is None
        assert meets(np.array([[0.0, 0.6], [1.0, 0.62]]), line) is None

    def test_circles_touch_at_the_sum_of_their_radii(self) -> None:
        circles = [place_figure("circle", (0.0, 0.0), radius) for radius in (0.3, 0.2)]
        assert contact_distance(*circles, np.array([1.0, 0.0])) == pytest.approx(0.5, abs=1e-4)

    @quick
    @given(rng=seeds)
    def test_figures_touch_overlap_or_stay_apart_as_said(self, rng: np.random.Generator) -> None:
        scene = draw_touching(PLAIN, rng)
        one, other = (place_figure(mark.kind, (mark.x, mark.y), mark.radius, mark.turn) for mark in scene.marks)
        step = 0.01 * (other.mean(axis=0) - one.mean(axis=0)) / math.dist(one.mean(axis=0), other.mean(axis=0))
        closer = overlap(one, other - step)
        assert {"overlapping": overlap(one, other), "apart": not closer, "touching": closer}[scene.state]
        assert scene.state != "touching" or not overlap(one, other + step)
        corners = np.concatenate([one, other])
        assert corners.min() >= 0
        assert corners.max() <= 1

    @quick
    @given(rng=seeds)
    def test_each_figure_lies_within_the_one_before(self, rng: np.random.Generator) -> None:
        scene = draw_nested(draw_conditions(rng), rng)
        figures = [place_figure(mark.kind, (mark.x, mark.y), mark.radius, mark.turn) for mark in scene.marks]
        for outer, inner in pairwise(figures):
            edges = np.roll(outer, -1, axis=0) - outer
            offsets = inner[:, None] - outer
            assert ((edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]) > 0).all()

    @quick
    @given(rng=seeds, layout=st.sampled_from(["scattered", "row", "column", "ring", "grid", "diagonal"]))
    def test_shapes_keep_apart(self, rng: np.random.Generator, layout: str) -> None:
        num = int(rng.integers(4, 9 if layout in ("row", "column", "diagonal") else 16))
        centres, radius = place_shapes(layout, num, rng)
        gaps = np.hypot(*(centres[:, None] - centres).transpose(2, 0, 1))[~np.eye(num, dtype=bool)]
        assert gaps.min() > 2 * radius
        assert centres.min() - radius >= -1e-9
        assert centres.max() + radius <= 1 + 1e-9

    @quick
    @given(rng=seeds)
    def test_as_many_shapes_are_drawn_as_said(self, rng: np.random.Generator) -> None:
        scene = draw_shapes(PLAIN, rng)
        filled = ShapesScene(tuple(mark_filled(mark) for mark in scene.marks), scene.layout)
        assert count_islands(paint(filled, 192).sum(axis=2) < 3 * 225) == len(scene.marks)

    def test_outlines_lie_in_the_unit_circle_and_convex_ones_are_convex(self) -> None:
        assert all(np.hypot(*outline(kind).T).max() < 1.06 for kind in KINDS)
        for kind in CONVEX_KINDS:
            edges = np.roll(outline(kind), -1, axis=0) - outline(kind)
            turns = np.cross(np.pad(edges, ((0, 0), (0, 1))), np.pad(np.roll(edges, -1, axis=0), ((0, 0), (0, 1))))
            assert (turns[:, 2] > -1e-9).all(), kind


def mark_filled(drawn: Mark) -> Mark:
    return Mark(kind=drawn.kind, colour="black", x=drawn.x, y=drawn.y, radius=drawn.radius, turn=drawn.turn)


def count_islands(ink: np.ndarray) -> int:
    """Connected regions of ink, corners included, by repeatedly spreading the largest number of each.

    What has only a few pixels is the tip of a sharp corner.
    """
    numbers = np.where(ink, np.arange(1, ink.size + 1).reshape(ink.shape), 0)
    while True:
        padded = np.pad(numbers, 1)
        near = [np.roll(padded, shift, axis=(0, 1)) for shift in ((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1))]
        spread = np.where(ink, np.max(near, axis=0)[1:-1, 1:-1], 0)
        if (spread == numbers).all():
            return int(np.count_nonzero(np.unique(numbers[ink], return_counts=True)[1] > 4))
        numbers = spread
