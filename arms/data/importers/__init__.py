"""Importers by name: one file per log format, one line each here."""

from arms.data.importers.base import Importer, import_dataset
from arms.data.importers.tables import import_tables, read_tables
from arms.errors import ArmsError

__all__ = ["IMPORTERS", "Importer", "find_importer", "import_dataset", "import_tables"]

IMPORTERS: dict[str, Importer] = {
    "tables": read_tables,
}


def find_importer(name: str) -> Importer:
    """The importer of that name; an ArmsError lists the known ones."""
    if name not in IMPORTERS:
        raise ArmsError(f"importer: unknown name {name!r}; known: {', '.join(sorted(IMPORTERS))}")
    return IMPORTERS[name]
