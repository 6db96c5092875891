"""Every kind of damage by name, and the files that each can be done to."""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType

from tests.importers.damage import files, json_nodes, pictures, tables, text
from tests.importers.damage.files import Damage

_TABLES_OF_TEXT = (".json", ".jsonl", ".csv", ".tsv")
_TEXTS = (*_TABLES_OF_TEXT, ".yaml", ".md", ".txt")
_IMAGES = (".png", ".jpg", ".jpeg")
_JSON = (".json", ".jsonl")
_TABLES = (".csv", ".tsv", ".xlsx", ".parquet")

# By module: the names of its damages, and the files that they can be done to; none: to all.
_KINDS: tuple[tuple[ModuleType, str, tuple[str, ...]], ...] = (
    (files, "truncate empty flip_bytes insert_bytes delete delete_folder replace_by_folder replace_by_pipe", ()),
    (files, "replace_by_dangling_link replace_by_outer_link replace_folder_by_outer_link", ()),
    (files, "copy rename rename_folder move_elsewhere", ()),
    (text, "drop_lines duplicate_line shuffle_lines change_word change_encoding change_line_ends", _TEXTS),
    (text, "huge_word", _TABLES_OF_TEXT),  # a parser of YAML would take seconds
    (pictures, "cut_pixels oversize another_kind", _IMAGES),
    (json_nodes, "delete_node replace_node replace_leaf replace_alike copy_node duplicate_node rename_key", _JSON),
    (tables, "drop_column rename_column duplicate_column shuffle_columns change_cell change_column", _TABLES),
    (tables, "drop_rows duplicate_row uneven_row", _TABLES),
)
KINDS: dict[str, tuple[Damage, tuple[str, ...]]] = {
    name: (getattr(module, name), suffixes) for module, names, suffixes in _KINDS for name in names.split()
}

# Kinds that take files away from a log, or parts of them, and put nothing in their place.
TAKE_FILES = frozenset(
    "empty delete delete_folder replace_by_folder replace_by_pipe replace_by_dangling_link replace_by_outer_link "
    "replace_folder_by_outer_link cut_pixels oversize".split()
)
TAKE_PARTS = TAKE_FILES | {"delete_node", "drop_column", "drop_rows"}


@dataclass(frozen=True)
class Step:
    """One damage, to a place in a file that the seed chooses, or to every file."""

    kind: str
    seed: int
    everywhere: bool = False

    def apply(self, log: Path) -> None:
        """Do it to a log, to files that it can be done to."""
        damage, suffixes = KINDS[self.kind]
        rng = Random(self.seed)
        chosen = damageable(log, suffixes)
        if chosen and not self.everywhere:
            chosen = [rng.choice(chosen)]
        for path in chosen:
            if path.is_file() and not _through_link(path, log):  # its folder may be gone or elsewhere by now
                damage(path, rng)


def damageable(log: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The regular files of a log with one of these suffixes, or with any."""
    found = sorted(path for path in log.rglob("*") if path.is_file() and not _through_link(path, log))
    return [path for path in found if not suffixes or path.suffix in suffixes]


def _through_link(path: Path, log: Path) -> bool:
    """Whether a path below a log is a link or leads through one."""
    return any(one.is_symlink() for one in (path, *path.parents) if one.is_relative_to(log))
