"""A scratch project with the made-up dataset: tables, pictures and settings, laid out as the stages expect them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from arms.catalogue.match import CATALOGUE
from arms.data.atomic import atomic_folder
from arms.data.profiles import VlmProfile, read_vlms, write_vlms
from arms.data.tables import OUTCOMES, QUERIES, VLMS_FILE, write_table
from arms.params.tree import read_params
from benchmarks.m2_parts.pictures import write_pictures
from benchmarks.m2_parts.shape import FREE, PAID, Shape
from benchmarks.m2_parts.tables import SEED, make_tables

ROOT = Path(__file__).parents[2]
DATA = "m2"

PUBLISHED = ("preset=published",)

# The published pair's architectures, all layers tuned; weights from a seed, which take as long as downloaded ones.
TUNED: dict[str, Any] = {
    "image": {
        "model": "ViT-B-32",
        "architecture": None,
        "pretrained": None,
        "resize": "shortest",
        "tunable_layers": "all",
        "precision": "auto",
        "store_tokens": False,
    },
    "text": {
        "model": None,
        "architecture": {
            "dim": 768,
            "n_layers": 6,
            "n_heads": 12,
            "hidden_dim": 3072,
            "max_position_embeddings": 512,
        },
        "vocabulary_size": 30522,
        "pooling": "cls",
        "max_tokens": 512,
        "tunable_layers": "all",
        "precision": "auto",
    },
}


def pool_profiles() -> list[VlmProfile]:
    """What is known of the seven VLMs, the free ones first."""
    known = {profile.name: profile for profile in read_vlms(ROOT / CATALOGUE)}
    return [known[name] for name in (*FREE, *PAID)]


def write_dataset(folder: Path, shape: Shape, workers: int) -> dict[str, int]:
    """Write the dataset's folder; how many queries, outcomes and pictures it has, and the pictures' bytes."""
    profiles = pool_profiles()
    tables = make_tables(shape, profiles)
    with atomic_folder(folder) as draft:
        written = write_pictures(draft, tables.pictures, SEED, workers)
        write_table(tables.queries, draft / QUERIES.file)
        write_table(tables.outcomes, draft / OUTCOMES.file)
        write_vlms(profiles, draft / VLMS_FILE)
    return {
        "queries": len(tables.queries),
        "outcomes": len(tables.outcomes),
        "pictures": len(tables.pictures),
        "picture_bytes": written,
    }


def write_settings(folder: Path, encoders: str, more: Sequence[str] = ()) -> None:
    """Write params.yaml and conf/: the published settings, with an encoder pair of the project or `m2-tuned`."""
    params = read_params(ROOT, [*PUBLISHED, f"data={DATA}", f"encoders={encoders}", *more])
    shutil.copytree(ROOT / "conf", folder / "conf", dirs_exist_ok=True)
    data = {
        "description": "Made up, in the shape of M2.",
        "pools": {"base": list(FREE), "new": list(PAID)},
        "ood": {"benchmarks": [], "tasks": []},
        "splits": {
            "by": "recorded",
            "similarity": 0.98,
            "thumbnail_side": 32,
            "val_share": 0.05,
            "id_share": 0.0,
            "seed": 1,
        },
        "strict": True,
        "sample": None,
    }
    contents = {
        "params.yaml": params.model_dump(),
        f"conf/data/{DATA}.yaml": data,
        "conf/encoders/m2-tuned.yaml": TUNED,
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    for name, content in contents.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            yaml.dump(content, file)
