"""A small dataset folder of SCOPE: arrays, the lists of names as JSON, and the benchmarks' TSVs with the questions."""

from pathlib import Path

from tests.importers.logs.m2 import png
from tests.importers.logs.vl_routerbench import SAMPLES, VLMS, write_arrays, write_json, write_tsv


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write the folder; the source to import it from."""
    root = folder / "scope-data"
    write_arrays(root / "data/matrices")
    write_json(root / "data/matrices/sample_ids.json", list(SAMPLES))
    write_json(root / "data/matrices/model_names.json", list(VLMS))
    write_tsv(root / "BENCHMARKS/MMStar.tsv", range(3), image=True)
    write_tsv(root / "BENCHMARKS/ChartQA_TEST.tsv", range(3, 6), image=False)
    (root / "images").mkdir()
    for number in range(3, 6):
        (root / f"images/{number}.png").write_bytes(png((number, 60, 90)))
    return (root,)
