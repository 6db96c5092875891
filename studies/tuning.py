"""Train Phi and the top layers of both encoders, of one, or of neither.

The tuned pair's features are encoded here, the first time. They are not an output of the stage: whoever never runs the
studies then has a pipeline from which nothing is missing.
"""

import click

from arms.data.prepared import read_prepared
from stages.encode import MODALITIES, encode
from stages.workspace import open_workspace, stage
from studies.settings import read_study_params
from studies.variants import study_variant


@click.command()
@click.argument("variant")
@click.option("--quick", is_flag=True, help="One seed, one epoch, a tenth of the images.")
def main(variant: str, quick: bool) -> None:
    """Write studies/results/<data>/tuning/VARIANT.json; see `studies.variants`."""
    pair = f"encoders={read_study_params().tuned_encoders}"
    workspace = open_workspace([pair])
    for modality in MODALITIES:
        encode(workspace, read_prepared(workspace.prepared), modality)
    study_variant("tuning", variant, [pair], quick=quick)


if __name__ == "__main__":
    with stage("tuning"):
        main(standalone_mode=False)
