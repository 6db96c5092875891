"""Plain conditions, and scenes painted under them."""

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.colours import COLOURS
from pretrain.drawing.conditions import Conditions
from pretrain.scenes.base import Scene

PLAIN = Conditions(
    kind="light",
    ground_name="white",
    ground=(255, 255, 255),
    second=(255, 255, 255),
    colours=tuple(name for name in COLOURS if name != "white"),
    backdrop="plain",
    stroke="normal",
    quality="sharp",
    fade=0.0,
    crowded=False,
    tilt=0.0,
    squash=(1.0, 1.0),
    scale=1.0,
    shift=(0.5, 0.5),
)


def paint(scene: Scene, px: int = 128) -> np.ndarray:
    canvas = Canvas(PLAIN, px, np.random.default_rng(0))
    scene.paint(canvas)
    return np.asarray(canvas.finish()).astype(int)
