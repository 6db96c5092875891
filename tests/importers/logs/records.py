"""The queries and outcomes of the CSV log in a workbook, a JSON document and a Parquet file, beside their images."""

from pathlib import Path

from tests.importers.logs.csv import outcomes, queries, write_images
from tests.importers.logs.m2 import write_parquet
from tests.importers.logs.vlmevalkit import write_json, write_sheet


def write_log(folder: Path) -> tuple[Path, ...]:
    """Write a folder of three files, which are joined on the id."""
    source = folder / "records"
    write_images(source)
    write_sheet(source / "queries.xlsx", queries())
    judged = outcomes()
    write_json(source / "first.json", judged[:9])
    write_parquet(source / "second.parquet", judged[9:])
    return (source,)
