"""A scratch project with a made-up dataset of any size: tables, tiny pictures and settings, as the stages expect them.

Half of the queries have a picture, five ask about each, and every second picture is a near-copy of another one. The
other half are words only. One query in ten is of a benchmark that is held out. Three outcomes in a hundred are unknown,
and one in a thousand is there twice.
"""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image
from ruamel.yaml import YAML

from arms.data.profiles import VlmProfile, write_vlms
from arms.data.tables import OUTCOMES, QUERIES, VLMS_FILE
from arms.params.tree import read_params
from benchmarks.scene_parts.child import made_up

ROOT = Path(__file__).parents[2]
DATA = "scale"
RAW, THUMBNAILS = Path("data/raw") / DATA, Path("thumbnails.npy")
SEED, SIDE = 1, 32
QUERIES_A_PICTURE, COPIES = 5, 2  # of the half that has pictures
UNKNOWN, REPEATED = 0.03, 0.001
_TASKS, _LANGUAGES, _BENCHMARKS = 24, ("en", "de", "zh", "es", "ar"), 10
_HELD_OUT = "bench-0"
PROFILES = tuple(
    VlmProfile(
        name=f"vlm-{number}",
        provider=f"lab-{number % 4}",
        params_b=float(2 + 3 * number),
        access="paid" if number >= 8 else "free",
        price_in=0.5 * (number - 7) if number >= 8 else None,
        price_out=1.5 * (number - 7) if number >= 8 else None,
    )
    for number in range(12)
)
NAMES = tuple(profile.name for profile in PROFILES)
BASELINES = ("best-single", "random", "linear")


def write_project(folder: Path, size: int) -> None:
    """Write the dataset of `size` queries and the settings of a run on it."""
    raw = folder / RAW
    (raw / "images").mkdir(parents=True)
    _write_pictures(folder, max(1, size // (2 * QUERIES_A_PICTURE)))
    rng = np.random.default_rng(SEED)
    ids = pc.binary_join_element_wise("q", pa.array(np.arange(size)).cast(pa.string()), "-")
    pq.write_table(_queries(ids, size, rng), raw / QUERIES.file, compression="zstd")
    pq.write_table(_outcomes(ids, size, rng), raw / OUTCOMES.file, compression="zstd")
    write_vlms(PROFILES, raw / VLMS_FILE)
    _write_settings(folder)


def _write_pictures(folder: Path, count: int) -> None:
    """Grey PNG files whose pixels are the thumbnails that are made up for the benchmark of scenes."""
    thumbnails = made_up(count, COPIES)
    pixels = np.frombuffer(b"".join(thumbnails), dtype=np.uint8).reshape(count, SIDE, SIDE)
    np.save(folder / THUMBNAILS, pixels)
    for number, picture in enumerate(pixels):
        path = folder / RAW / _picture(number)
        if number % 1000 == 0:
            path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path, compress_level=1)


def _picture(number: int) -> str:
    return f"images/{number // 1000}/{number}.png"


def _queries(ids: pa.Array, size: int, rng: np.random.Generator) -> pa.Table:
    rows = np.arange(size)
    pictures = max(1, size // (2 * QUERIES_A_PICTURE))
    paths = pa.array([_picture(number) for number in range(pictures)])
    has_picture, number_of = rows % 2 == 0, rows // 2 % pictures
    offsets = np.concatenate([[0], np.cumsum(has_picture)]).astype(np.int32)
    images = pa.ListArray.from_arrays(offsets, paths.take(pa.array(number_of[has_picture])))
    # A picture and its copies are of one benchmark, so that holding one out does not take the others along.
    benchmarks = pa.array([f"bench-{number}" for number in range(_BENCHMARKS)])
    words = pa.array("what which count red small sign left of table chart value text shown behind door".split())
    picked = (words.take(pa.array(rng.integers(0, len(words), size))) for _ in range(8))
    number = pa.array(rows).cast(pa.string())

    def of(names: list[str]) -> pa.Array:
        return pa.array(names).take(pa.array(rng.integers(0, len(names), size)))

    return pa.table(
        {
            "query_id": ids,
            "benchmark": benchmarks.take(pa.array(number_of % _BENCHMARKS)),
            "task": of([f"task-{number}" for number in range(_TASKS)]),
            "language": of(list(_LANGUAGES)),
            "question": pc.binary_join_element_wise(*picked, number, " "),
            "images": images,
            "answer": of(list("ABCD")),
        }
    )


def _outcomes(ids: pa.Array, size: int, rng: np.random.Generator) -> pa.Table:
    hard_N1, skill_S = rng.normal(0, 1, (size, 1)), np.linspace(-0.5, 0.7, len(NAMES))
    right_NS = hard_N1 + rng.logistic(0, 1, (size, len(NAMES))) < skill_S
    row, column = np.nonzero(rng.random(right_NS.shape) >= UNKNOWN)
    again = np.flatnonzero(rng.random(len(row)) < REPEATED)
    order = np.concatenate([np.arange(len(row)), again])
    is_paid = column >= 8  # the others have no recorded cost
    cost_usd = np.where(is_paid, rng.lognormal(-7, 0.3, len(row)), np.nan)
    return pa.table(
        {
            "query_id": ids.take(pa.array(row[order])),
            "vlm": pa.array(NAMES).take(pa.array(column[order])),
            "correct": right_NS[row, column][order],
            "cost_usd": pa.array(cost_usd[order], from_pandas=True),
            "latency_s": rng.lognormal(0.7, 0.5, len(row))[order],
        }
    )


def _write_settings(folder: Path) -> None:
    """Write params.yaml and conf/: the project's own settings, with few baselines."""
    params = read_params(ROOT, [f"data={DATA}", "encoders=bundled"]).model_dump()
    params["baselines"] = {name: params["baselines"][name] for name in BASELINES}
    shutil.copytree(ROOT / "conf", folder / "conf", dirs_exist_ok=True)
    data = {
        "description": "Made up, of any size.",
        "pools": {"base": list(NAMES[:8]), "new": list(NAMES[8:])},
        "ood": {"benchmarks": [_HELD_OUT], "tasks": []},
        "splits": {
            "by": "scene",
            "similarity": 0.98,
            "thumbnail_side": SIDE,
            "val_share": 0.1,
            "id_share": 0.2,
            "seed": SEED,
        },
        "strict": False,
        "sample": None,
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    for name, content in {"params.yaml": params, f"conf/data/{DATA}.yaml": data}.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            yaml.dump(content, file)
