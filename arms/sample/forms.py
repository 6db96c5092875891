"""Which queries of the sample are not one image with one question: two images, none, or an image without a word."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from arms.errors import ArmsError

Form = Literal["several-images", "no-image", "no-question"]
_MOST = 0.1  # share of a form: only one question of a picture can have one


@dataclass(frozen=True, kw_only=True, slots=True)
class Forms:
    """The shares of the forms among all queries, each from 0 to 0.1, and the seed that decides which queries they are.

    Another seed or other shares leave all queries that have none of the forms before and after as they are.
    """

    seed: int
    several_images: float
    no_image: float
    no_question: float

    def __post_init__(self) -> None:
        """Raise an ArmsError if a value is out of range."""
        if self.seed < 0:
            raise ArmsError(f"forms.seed: expected an integer >= 0, got {self.seed!r}")
        for name in ("several_images", "no_image", "no_question"):
            if not 0 <= getattr(self, name) <= _MOST:
                raise ArmsError(f"forms.{name}: expected a number from 0 to {_MOST}, got {getattr(self, name)!r}")


NO_FORMS = Forms(seed=0, several_images=0.0, no_image=0.0, no_question=0.0)


def draw_form(forms: Forms, index: int, questions_per_image: int, rng: np.random.Generator) -> Form | None:
    """The form of the last question about a picture; None for one image with one question.

    A picture with an odd number can be compared with the one before it, so that pictures are compared in pairs.
    """
    several = 2 * forms.several_images if index % 2 else 0.0
    bounds = np.cumsum([several, forms.no_image, forms.no_question]) * questions_per_image
    place = int(np.searchsorted(bounds, rng.random(), side="right"))
    found: tuple[Form | None, ...] = ("several-images", "no-image", "no-question", None)
    return found[place]
