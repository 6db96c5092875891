"""A picture in the making: what scenes draw with, in units of the picture's side, under given conditions."""

import math

import numpy as np
from PIL import Image, ImageDraw

from pretrain.drawing.backdrop import paint_ground
from pretrain.drawing.colours import Rgb, distance, draw_shade, mix
from pretrain.drawing.conditions import Conditions
from pretrain.drawing.effects import degrade
from pretrain.drawing.fonts import Font, text_mask

_OVERSAMPLING = 2  # pictures are drawn this much larger, then reduced
_STROKES = {"thin": 0.55, "normal": 1.0, "thick": 1.75}
_THINNEST = 2  # px of the oversampled picture
_SMOOTH_CORNERS = 20  # from so many on, a line needs no rounded joints
_DARK_LIFT = 0.15  # share of white mixed into colours on a dark ground
_STRAIGHT = 0.02  # largest difference from the identity at which text is pasted as it is

Point = tuple[float, float]


class Canvas:
    """A square picture, in which scenes draw with coordinates from (0, 0), top left, to (1, 1).

    The conditions turn, squash, shrink and fade all that is drawn: straight lines stay straight, what touches or
    crosses still does.

    Attributes
    ----------
    ink : Rgb
        For letters, axes and outlines: black or white, whichever stands out.
    """

    def __init__(self, conditions: Conditions, image_px: int, rng: np.random.Generator) -> None:
        self.conditions = conditions
        self._rng = rng
        side = _OVERSAMPLING * image_px
        self._image = paint_ground(conditions, side, rng)
        self._pen = ImageDraw.Draw(self._image)
        self._linear, self._origin = _frame(conditions, side)
        self._scale = math.sqrt(abs(float(np.linalg.det(self._linear))))
        self._shades: dict[str, Rgb] = {}
        black, white = self._fade((15, 15, 18)), self._fade((246, 246, 244))
        self.ink = black if distance(black, conditions.ground) > distance(white, conditions.ground) else white

    def shade(self, name: str) -> Rgb:
        """The named colour as it looks throughout this picture."""
        if name not in self._shades:
            lift = _DARK_LIFT if self.conditions.kind == "dark" else 0.0
            self._shades[name] = self._fade(mix(draw_shade(name, self._rng), (255, 255, 255), lift))
        return self._shades[name]

    def soften(self, colour: Rgb, share: float) -> Rgb:
        """The colour with a share of the ground mixed in."""
        return mix(colour, self.conditions.ground, share)

    def fill(self, corners: np.ndarray, colour: Rgb) -> None:
        """A filled polygon; `corners` has shape (corners, 2)."""
        self._pen.polygon(self._to_px(corners), fill=colour)

    def close(self, corners: np.ndarray, colour: Rgb, width: float) -> None:
        """The outline of a polygon, `width` in units before the condition on strokes."""
        self.line(np.concatenate([corners, corners[:2]]), colour, width)

    def line(self, points: np.ndarray, colour: Rgb, width: float) -> None:
        """A line through the points, shape (points, 2)."""
        joint = "curve" if 2 < len(points) < _SMOOTH_CORNERS else None
        self._pen.line(self._to_px(points), fill=colour, width=self.stroke_px(width), joint=joint)

    def dashes(self, points: np.ndarray, colour: Rgb, width: float, dash: float) -> None:
        """A broken line through the points, each dash of length `dash`, each gap somewhat shorter."""
        lengths = np.hypot(*np.diff(points, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(lengths)])
        for start in np.arange(0.0, along[-1], 1.7 * dash).tolist():
            inner = along[(along > start) & (along < start + dash)]
            stops = np.concatenate([[start], inner, [min(start + dash, along[-1])]])
            self.line(np.stack([np.interp(stops, along, axis) for axis in points.T], axis=1), colour, width)

    def disc(self, centre: Point, radius: float, colour: Rgb) -> None:
        """A small filled circle that stays round however the drawing is squashed."""
        (x, y), reach = self._to_px(np.array([centre])), radius * self._scale
        self._pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)

    def text(self, text: str, centre: Point, height: float, font: Font, colour: Rgb, turn: float = 0.0) -> None:
        """A line of text on its centre, `height` that of the line, turned by `turn` degrees clockwise."""
        mask = text_mask(text, font, height * self._scale)
        linear = self._linear @ _rotation(turn) * (height / mask.height)
        if np.abs(linear - np.eye(2)).max() > _STRAIGHT:
            mask = _transform(mask, linear)
        x, y = self._to_px(np.array([centre]))
        left, top = round(x - mask.width / 2), round(y - mask.height / 2)
        self._image.paste(colour, (left, top, left + mask.width, top + mask.height), mask)

    def stroke_px(self, width: float) -> int:
        """How thick a line is drawn, in px of the oversampled picture."""
        return max(_THINNEST, round(width * self._scale * _STROKES[self.conditions.stroke]))

    def paste(self, picture: Image.Image, way: Image.Resampling) -> None:
        """Lay a picture over the whole canvas, enlarged in the given way; its colours are taken as they are."""
        self._image.paste(picture.resize(self._image.size, way))

    def finish(self) -> Image.Image:
        """The picture at its own size, degraded as the conditions say."""
        return degrade(self._image.reduce(_OVERSAMPLING), self.conditions.quality, self._rng)

    def _fade(self, colour: Rgb) -> Rgb:
        return mix(colour, self.conditions.ground, self.conditions.fade)

    def _to_px(self, points: np.ndarray) -> list[float]:
        """Flat x, y, x, y, ... in px of the oversampled picture."""
        pixels: list[float] = ((points - 0.5) @ self._linear.T + self._origin).ravel().tolist()
        return pixels


def _frame(conditions: Conditions, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The map from units about the middle to px: a (2, 2) matrix and the middle's place.

    The turned unit square stays within the picture; what it leaves free is shared out by the conditions' shift.
    """
    turned = _rotation(-conditions.tilt) * conditions.squash
    reach = np.abs(turned).sum(axis=1)  # of the turned square, across and down
    scale = conditions.scale / reach.max()
    room = 1 - scale * reach
    origin = side * (0.5 + room * (np.array(conditions.shift) - 0.5))
    return turned * scale * side, origin


def _rotation(degrees: float) -> np.ndarray:
    """Clockwise on the screen, y downwards."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def _transform(mask: Image.Image, linear: np.ndarray) -> Image.Image:
    """The mask mapped by the matrix about its centre, in a box that just holds it."""
    width, height = (math.ceil(reach) + 2 for reach in np.abs(linear) @ (mask.width, mask.height))
    inverse = np.linalg.inv(linear)
    offset = np.array([mask.width, mask.height]) / 2 - inverse @ (width / 2, height / 2)
    rows = [value for row, shift in zip(inverse.tolist(), offset.tolist(), strict=True) for value in (*row, shift)]
    return mask.transform((width, height), Image.Transform.AFFINE, rows, resample=Image.Resampling.BILINEAR)
