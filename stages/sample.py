"""Draw the embedded sample dataset."""

import logging
from pathlib import Path

from arms.errors import ArmsError
from arms.params.data import read_data_params
from arms.sample import Forms, generate_sample
from stages.workspace import Stopwatch, stage

logger = logging.getLogger("stages.sample")
FOLDER = Path("data/raw/sample")


def main() -> None:
    """Write data/raw/sample from the settings in conf/data/sample.yaml."""
    params = read_data_params("sample").sample
    if params is None:
        raise ArmsError("conf/data/sample.yaml.sample: expected the generator's settings, got null")
    watch = Stopwatch()
    generate_sample(
        FOLDER,
        seed=params.seed,
        images_per_benchmark=params.images_per_benchmark,
        questions_per_image=params.questions_per_image,
        missing_share=params.missing_share,
        forms=Forms(**params.forms.model_dump()),
        workers=2,
    )
    logger.info("drew the sample dataset into %s in %.1f s", FOLDER, watch.elapsed_s)


if __name__ == "__main__":
    with stage("sample"):
        main()
