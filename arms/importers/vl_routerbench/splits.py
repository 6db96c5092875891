"""The recorded split, SPLITS/train.jsonl and so on."""

from collections.abc import Collection, Sequence
from pathlib import Path

from arms.importers.rows.reader import find_files, open_table
from arms.importers.rows.table import UnreadableError, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.texts import encodable

_SPLITS = {"train": "train", "dev": "val", "val": "val", "test": "id", "test_id": "id", "test_ood": "ood"}  # by files


def read_splits(sources: Sequence[Path], wanted: Collection[str], aside: SetAside) -> dict[str, str]:
    """The split of each sample that is in one; a sample in several is in none, and that is noted."""
    files = find_files(sources, lambda path: path.parent.name == "SPLITS" and path.suffix == ".jsonl")
    splits: dict[str, set[str]] = {}
    for path in files:
        split = _SPLITS.get(path.stem)
        if split is None:
            advice = f"nothing, if it is no split; known: {', '.join(_SPLITS)}"
            aside.note("file of SPLITS that is not read", str(path), advice)
            continue
        try:
            with open_table(path, aside) as table:
                for _, record in table.rows():
                    if (name := encodable(cell_text(record.get("sample_id")) or "")) in wanted:
                        splits.setdefault(name, set()).add(split)
        except UnreadableError as error:
            aside.add("file that cannot be read", str(path), "build it again", detail=str(error))
    several = [name for name, of in splits.items() if len(of) > 1]
    if several:
        advice = "nothing unless you use the recorded split: it is in none of them"
        aside.note("sample in several splits", "SPLITS", advice, detail=", ".join(several[:10]), count=len(several))
    return {name: next(iter(of)) for name, of in splits.items() if len(of) == 1}
