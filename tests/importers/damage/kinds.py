"""Every kind of damage by name, and the files that each can be done to."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.importers.damage import files, json_nodes, pictures, tables, text
from tests.importers.damage.files import Damage

_TABLES_OF_TEXT = (".json", ".jsonl", ".csv", ".tsv")
_TEXTS = (*_TABLES_OF_TEXT, ".yaml", ".md", ".txt")
_IMAGES = (".png", ".jpg", ".jpeg")

_KINDS: tuple[tuple[tuple[Damage, ...], tuple[str, ...]], ...] = (
    (
        (
            files.truncate,
            files.empty,
            files.flip_bytes,
            files.insert_bytes,
            files.delete,
            files.delete_folder,
            files.replace_by_folder,
            files.replace_by_pipe,
            files.replace_by_dangling_link,
            files.replace_by_outer_link,
            files.replace_folder_by_outer_link,
            files.copy,
            files.rename,
            files.rename_folder,
            files.move_elsewhere,
        ),
        (),
    ),
    (
        (
            text.drop_lines,
            text.duplicate_line,
            text.shuffle_lines,
            text.change_word,
            text.change_encoding,
            text.change_line_ends,
        ),
        _TEXTS,
    ),
    ((text.huge_word,), _TABLES_OF_TEXT),  # a parser of YAML would take seconds
    ((pictures.cut_pixels, pictures.oversize, pictures.another_kind), _IMAGES),
    (
        (
            json_nodes.delete_node,
            json_nodes.replace_node,
            json_nodes.replace_leaf,
            json_nodes.replace_alike,
            json_nodes.copy_node,
            json_nodes.duplicate_node,
            json_nodes.rename_key,
        ),
        (".json", ".jsonl"),
    ),
    (
        (
            tables.drop_column,
            tables.rename_column,
            tables.duplicate_column,
            tables.shuffle_columns,
            tables.change_cell,
            tables.change_column,
            tables.drop_rows,
            tables.duplicate_row,
            tables.uneven_row,
        ),
        (".csv", ".tsv", ".xlsx", ".parquet"),
    ),
)
KINDS = {damage.__name__: (damage, suffixes) for damages, suffixes in _KINDS for damage in damages}

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
