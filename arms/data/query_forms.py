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
    images = num_images(queries["images"]).to_numpy()
    forms = np.array(FORMS, dtype=object)[np.select([images == 1, images > 1], [0, 1], 2)]
    forms[(queries["question"].str.strip() == "").to_numpy()] = "no question"
    return forms
