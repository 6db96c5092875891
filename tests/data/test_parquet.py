import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arms.data import parquet
from arms.data.parquet import read_parquet, write_parquet
from arms.errors import ArmsError

TABLE = pa.table({"id": ["a", "b", None], "x": np.array([0.1, 0.2, 0.3], dtype=np.float32)}, metadata={"k": "v"})


def read(path, **options):
    return read_parquet(path, "a table", "write it again", **options)


def test_round_trip(tmp_path):
    write_parquet(TABLE, tmp_path / "key=1.parquet")
    back = read(tmp_path / "key=1.parquet", sealed=True)
    assert back.equals(TABLE)
    assert back.schema.metadata == {b"k": b"v"}
    assert read(tmp_path / "key=1.parquet", columns=["x"]).column_names == ["x"]


def test_a_seal_that_is_made_piece_by_piece_is_that_of_the_whole_file(tmp_path, monkeypatch):
    write_parquet(TABLE, tmp_path / "whole.parquet")
    monkeypatch.setattr(parquet, "_PIECE_BYTES", 7)
    write_parquet(TABLE, tmp_path / "pieces.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    assert (tmp_path / "pieces.parquet").read_bytes() == content
    start = content.index(b"arms.sha256:")
    rest = content[:start] + content[start + len("arms.sha256:") + 64 :]
    assert hashlib.sha256(rest).hexdigest().encode() in content
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink, compression="zstd", write_page_checksum=True)
    assert rest == sink.getvalue().to_pybytes()


def test_other_programs_read_it_and_drop_the_seal(tmp_path):
    write_parquet(TABLE, tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(TABLE)
    frame = pd.read_parquet(tmp_path / "a.parquet")
    frame.assign(x=1.0).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")["x"].to_pylist() == [1.0, 1.0, 1.0]
    with pytest.raises(ArmsError, match=r"a\.parquet: expected a table with a checksum over the whole file, got none"):
        read(tmp_path / "a.parquet", sealed=True)


def test_page_checksums_of_other_programs_are_verified(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, compression="none", use_dictionary=False, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[content.find(np.float32(0.2).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArmsError, match=r"a\.parquet: expected a table, could not read it as Parquet: .*; write it ag"):
        read(path)


@pytest.mark.parametrize("sealed", [False, True])
def test_no_flipped_bit_and_no_cut_gives_another_table(tmp_path, sealed):
    """Where no seal is expected, a flip in its own first bytes hides it and changes nothing else."""
    path = tmp_path / "a.parquet"
    write_parquet(TABLE, path)
    content = path.read_bytes()
    wrong = [content[:length] for length in range(0, len(content), 13)]
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        wrong.append(bytes(flipped))
    accepted, refusals = 0, []
    for damaged in wrong:
        path.write_bytes(damaged)
        try:
            table = read(path, sealed=sealed)
        except ArmsError as error:
            refusals.append(str(error))
        else:
            accepted += table.equals(TABLE)
    assert accepted == (0 if sealed else 8 * len(b"arms.sha256:"))
    assert accepted + len(refusals) == len(wrong)
    assert all(str(path) in text and "write it again" in text for text in refusals)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "got no such file"), (b"", "could not read it as Parquet"), (b"query_id,a\n", "could not read it as Pa")],
)
def test_what_is_no_parquet(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    for sealed in (False, True):
        with pytest.raises(ArmsError, match=rf"a: expected a table, {message}.*; write it again"):
            read(tmp_path / "a", sealed=sealed)


def test_a_forbidden_file_is_not_called_damaged(tmp_path, monkeypatch):
    write_parquet(TABLE, tmp_path / "a")
    monkeypatch.setattr("pathlib.Path.read_bytes", forbid)
    with pytest.raises(ArmsError, match=r"a: expected a table, got a file that this user may not read \(permission"):
        read(tmp_path / "a")


def forbid(path):
    raise PermissionError(13, "Permission denied", str(path))
