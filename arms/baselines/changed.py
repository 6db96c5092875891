"""Baselines of other packages that have changed since they were fitted: DVC, which watches no such files, is silent."""

from pathlib import Path

from arms.data.disk import read_json
from arms.errors import ArmsError

_DESCRIPTION = "router.json"  # of `arms.routers.checkpoint`, which loads torch


def changed_since(folder: Path) -> list[str]:
    """What is to be said of the baselines saved in a folder: a line for each that is not as it was fitted."""
    said = []
    for file in sorted(folder.glob(f"*/{_DESCRIPTION}")):
        try:
            description = read_json(file, "the description of a router", "run: dvc repro --force baselines")
            if "source" in description:  # of another package
                from arms.baselines.saved import check_source

                check_source(file.parent, description)
        except ArmsError as error:
            said.append(str(error))
    return said
