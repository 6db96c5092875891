import gzip
from pathlib import Path

import pytest

from arms.errors import ArmsError
from arms.importers.rows.packed import is_packed, stem_of, suffix_of
from arms.importers.rows.reader import open_table
from arms.importers.set_aside import SetAside

CONTENTS = {
    "t.csv.gz": b"a,b\n1,2\n",
    "t.TSV.GZ": b"a\tb\n1\t2\n",
    "t.json.gz": b'[{"a": "1", "b": "2"}]',
    "t.jsonl.gz": b'{"a": "1", "b": "2"}\n',
}


def read(path: Path) -> list[dict]:
    with open_table(path, SetAside()) as table:
        return [cells for _, cells in table.rows()]


def test_names() -> None:
    for name, suffix, stem in (("a.b.JSONL.gz", ".jsonl", "a.b"), ("a.csv", ".csv", "a"), ("a.gz", "", "a")):
        assert (suffix_of(Path(name)), stem_of(Path(name))) == (suffix, stem)
    assert [is_packed(Path(name)) for name in ("a.csv.GZ", "a.csv")] == [True, False]


@pytest.mark.parametrize("name", CONTENTS)
def test_packed_files_are_read_like_others(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(CONTENTS[name]))
    assert read(tmp_path / name) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("damage", ["cut", "flipped", "plain"])
def test_broken_packs(tmp_path: Path, name: str, damage: str) -> None:
    packed = bytearray(gzip.compress(CONTENTS[name] * 2_000 if "json" not in name else CONTENTS[name]))
    packed[len(packed) // 2] ^= 255 if damage == "flipped" else 0
    contents = {"cut": packed[:-12], "flipped": packed, "plain": CONTENTS[name]}
    (tmp_path / name).write_bytes(contents[damage])
    with pytest.raises(ArmsError, match=r"t\.\w+\.\w+: expected .*, could not read .*: not a whole gzip file"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["t.xlsx.gz", "t.parquet.gz"])
def test_formats_that_are_packed_already(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"x"))
    with pytest.raises(ArmsError, match=r"files as they are, got one in \.gz; unpack it"):
        read(tmp_path / name)
