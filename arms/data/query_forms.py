"""What form a query has: one image with a question, several images, none, or no question."""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from arms.data.image_lists import num_images

QueryForm = Literal["one image", "several images", "no image", "no question"]
FORMS: tuple[QueryForm, ...] = get_args(QueryForm)


def query_forms(queries: pd.DataFrame) -> np.ndarray:
    """The form of each of N queries with their `images` and `question`: an array of N `QueryForm`.

    One without a question is that, however many images it has.
    """
    return forms_of(num_images(queries["images"]).to_numpy(), (queries["question"].str.strip() == "").to_numpy())


def forms_of(images_N: np.ndarray, no_question_N: np.ndarray) -> np.ndarray:
    """The forms of N queries, from how many images each has, and from which have no question."""
    place_N = np.select([no_question_N, images_N == 1, images_N > 1], [3, 0, 1], 2)
    return np.array(FORMS)[place_N]
