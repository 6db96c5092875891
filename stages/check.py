"""Check the settings, and that the dataset and the files that they name are there."""

import logging
from pathlib import Path

from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.errors import ArmsError
from stages.workspace import Workspace, open_workspace, stage

OUT = Path("data/checked.json")

logger = logging.getLogger("stages.check")


def main() -> None:
    """Write data/checked.json, the dataset's name, on which the first stage that reads the dataset depends.

    DVC itself would only say which file it did not find.
    """
    try:
        workspace = open_workspace()
        check_dataset(workspace)
    except ArmsError as error:
        raise ArmsError(
            f"{error}\nparams.yaml keeps what `-S` wrote into it: change it back there, or by -S"
        ) from error
    with atomic_file(OUT) as draft:
        write_json({"data": workspace.params.data}, draft)


def check_dataset(workspace: Workspace) -> None:
    """Raise an ArmsError if the dataset's folder is missing; the sample is drawn by the pipeline itself."""
    if workspace.data.sample is None and not workspace.raw.is_dir():
        name = workspace.params.data
        shared = workspace.raw.with_name(f"{name}.dvc")
        todo = f"dvc pull {shared}" if shared.exists() else f"arms import --help, with --name {name}"
        raise ArmsError(
            f"{workspace.raw}: expected the dataset that params.yaml names, data: {name}, got no such folder; run: "
            f"{todo}"
        )


if __name__ == "__main__":
    with stage("check"):
        main()
