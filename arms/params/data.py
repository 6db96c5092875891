"""A dataset: conf/data/<name>.yaml."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from arms.params.section import PositiveInt, Section, Seed, Share, named_file, read_section


class PoolParams(Section):
    """Which VLMs can be chosen: from the start, and after the extension."""

    base: list[str] = Field(min_length=1, description="VLMs that can be chosen from the start, S")
    new: list[str] = Field(description="VLMs that join later, S' without S; [] leaves the pool as it is")


class OodParams(Section):
    """What training never sees, to measure generalisation."""

    benchmarks: list[str] = Field(description="benchmarks held out, by the column `benchmark`")
    tasks: list[str] = Field(description="tasks held out, by the column `task`")


class SplitParams(Section):
    """How the queries that are not held out are divided; the rest of them is the training split."""

    by: Literal["scene", "image", "recorded"] = Field(
        description="scene: near-copies of a picture stay together; image: only the same picture does; recorded: the "
        "column `split` decides. Queries of one `group` always stay together, but where `split` decides"
    )
    similarity: float = Field(
        gt=0, le=1, description="correlation of two thumbnails from which on their pictures are near-copies"
    )
    thumbnail_side: int = Field(ge=8, le=256, description="pixels of a thumbnail's side")
    val_share: Share = Field(
        description="share of the scenes or images that settings are chosen and calibrated on; of the recorded train "
        "split, where the column `split` has no val"
    )
    id_share: Share = Field(description="share of the scenes or images that is the test in distribution")
    seed: Seed = Field(description="decides which scene or image goes to which split")


FormShare = Annotated[float, Field(ge=0, le=0.1)]


class SampleFormsParams(Section):
    """The queries of the embedded sample that are not one image with one question."""

    seed: Seed = Field(description="of which queries these are, and of what they ask")
    several_images: FormShare = Field(description="share of the queries that compare two images")
    no_image: FormShare = Field(description="share of the queries that are words only")
    no_question: FormShare = Field(description="share of the queries that are an image only")


class SampleParams(Section):
    """The generator of the embedded sample dataset."""

    seed: Seed = Field(description="of the pictures, the questions and the VLMs' answers")
    images_per_benchmark: PositiveInt = Field(description="images of each benchmark")
    questions_per_image: int = Field(ge=1, le=2, description="one or two")
    missing_share: Share = Field(description="share of the paid VLMs' outcomes that is unknown")
    forms: SampleFormsParams


class DataParams(Section):
    """One dataset of outcome tables, conf/data/<name>.yaml; its tables lie in data/raw/<name>."""

    description: str = Field(description="what it is and where it comes from, for the results page")
    pools: PoolParams
    ood: OodParams
    splits: SplitParams
    strict: bool = Field(description="refuse a dataset with unusable rows instead of setting them aside")
    sample: SampleParams | None = Field(description="null: the tables are imported, not generated")


def read_data_params(name: str, root: Path = Path()) -> DataParams:
    """Read conf/data/<name>.yaml; raise ArmsError with the key, the value and what is allowed."""
    return read_section(named_file("data", name, root), DataParams)
