"""The settings of a new dataset, conf/data/<name>.yaml, to begin with."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from arms.data.atomic import atomic_file
from arms.data.profiles import read_vlms
from arms.data.tables import VLMS_FILE

_UNBROKEN = 2**16  # characters of a line
_HEAD = """\
# The pools and the splits of this dataset. Move VLMs that are to join later from pools.base to pools.new, and name
# benchmarks or tasks under ood to hold them out of training.
"""


@dataclass(frozen=True)
class PoolGaps:
    """Where a dataset's settings and its VLMs do not go together.

    Attributes
    ----------
    unpooled : tuple of str
        VLMs of the dataset that are in no pool, and so are left out.
    gone : tuple of str
        VLMs in a pool that the dataset has not, which `prepare` refuses.
    base : tuple of str
        The base pool that would hold all that belongs there.
    """

    unpooled: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    base: tuple[str, ...] = ()

    def text(self, path: Path) -> str:
        """What to do about it, with the line to write; empty if there is nothing to do."""
        found = []
        if self.unpooled:
            found.append(f"in no pool, and so left out: {', '.join(self.unpooled)}")
        if self.gone:
            found.append(f"in a pool, but not in the data: {', '.join(self.gone)}")
        if not found:
            return ""
        line = _yaml_text({"base": list(self.base)}, flow=True).strip().removeprefix("{").removesuffix("}")
        return (
            f"{path} stays as it is. VLMs {'; VLMs '.join(found)}. With all of them its line under pools: is\n  {line}"
        )


def find_pool_gaps(path: Path, dataset: Path) -> PoolGaps:
    """Compare the pools of a dataset's settings with its VLMs; none are found in settings that cannot be read.

    Parameters
    ----------
    path : Path
        The settings, conf/data/<name>.yaml.
    dataset : Path
        The dataset's folder.
    """
    try:
        pools = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["pools"]
        base, new = ([str(name) for name in pools.get(key) or []] for key in ("base", "new"))
    except Exception:  # the parser raises errors of many types; the run that follows names what is wrong
        return PoolGaps()
    names = [vlm.name for vlm in read_vlms(dataset / VLMS_FILE)]
    unpooled = tuple(name for name in names if name not in base and name not in new)
    gone = tuple(name for name in (*base, *new) if name not in names)
    return PoolGaps(unpooled, gone, (*(name for name in base if name in names), *unpooled))


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
    with atomic_file(path) as draft:
        draft.write_text(_HEAD + _yaml_text(content), encoding="utf-8")
    return path


def _yaml_text(content: Any, *, flow: bool = False) -> str:
    """Some content as YAML: in flow style on one line, else as DVC writes it, so that `-S` changes one line."""
    yaml = YAML()
    if flow:
        yaml.default_flow_style, yaml.width = True, _UNBROKEN
    stream = StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
