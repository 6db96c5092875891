"""The settings of a new dataset, conf/data/<name>.yaml, to begin with."""

from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from arms.data.atomic import atomic_file
from arms.data.profiles import read_vlms
from arms.data.tables import VLMS_FILE

_HEAD = """\
# The pools and the splits of this dataset. Move VLMs that are to join later from pools.base to pools.new, and name
# benchmarks or tasks under ood to hold them out of training.
"""


def write_pool_settings(name: str, dataset: Path, description: str, root: Path = Path()) -> Path | None:
    """Write settings for a dataset: every VLM in the base pool, nothing held out.

    Parameters
    ----------
    name : str
    dataset : Path
        Its folder.
    description : str
        What it is and where it comes from.
    root : Path
        The project's folder.

    Returns
    -------
    Path or None
        The settings file, which stays as it is if it is there; None outside a project.
    """
    folder = root / "conf" / "data"
    if not folder.is_dir():
        return None
    path = folder / f"{name}.yaml"
    if path.exists():
        return path
    content = {
        "description": description,
        "pools": {"base": [vlm.name for vlm in read_vlms(dataset / VLMS_FILE)], "new": []},
        "ood": {"benchmarks": [], "tasks": []},
        "splits": {
            "by": "scene",
            "similarity": 0.98,
            "thumbnail_side": 32,
            "val_share": 0.1,
            "id_share": 0.2,
            "seed": 1,
        },
        "strict": False,
        "sample": None,
    }
    stream = StringIO()
    YAML().dump(content, stream)  # as DVC writes it: then `dvc exp run -S` changes only the line that it is to change
    with atomic_file(path) as draft:
        draft.write_text(_HEAD + stream.getvalue(), encoding="utf-8")
    return path
