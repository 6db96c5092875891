"""One run in a process of its own: an import, or a plain read of the same files; prints its peak memory and counts."""

import json
import sys
from pathlib import Path

import pandas as pd

from arms.importers.csv_importer import CsvImporter
from arms.importers.run import ImportOptions, import_log
from benchmarks.peak import peak_mib


def run_import(form: str, folder: Path, out: Path) -> dict[str, int]:
    """Import one form of the log with nothing set aside."""
    names = [name for name in pd.read_csv(folder / "wide.csv", nrows=0).columns if name.startswith("vlm-")]
    verdicts = tuple(f"{name}={name}" for name in names)
    importer = CsvImporter(verdict=verdicts) if form == "wide" else CsvImporter()
    report = import_log(importer, [folder / f"{form}.csv"], out, ImportOptions(access="free", strict=True)).report
    return {"queries": report.queries_kept, "outcomes": report.outcomes_kept, "images": report.distinct_images}


def run_plain(form: str, folder: Path, out: Path) -> dict[str, int]:
    """Read the table and the bytes of every image, and do nothing with them."""
    images = pd.read_csv(folder / f"{form}.csv")["image"].unique()
    return {"bytes": sum(len((folder / image).read_bytes()) for image in images)}


def main() -> None:
    """What to run, the form, the log's folder and the dataset's are the arguments."""
    kind, form, folder, out = sys.argv[1:]
    counts = {"import": run_import, "plain": run_plain}[kind](form, Path(folder), Path(out))
    peak_gib = peak_mib() / 1024
    print(json.dumps({**counts, "peak_gib": peak_gib}))


if __name__ == "__main__":
    main()
