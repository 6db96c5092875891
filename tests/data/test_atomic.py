import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from arms.data import atomic
from arms.data.atomic import atomic_file, atomic_folder, reserved
from arms.errors import ArmsError

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kill_a_writer(path: Path, before_kill: str, writer: str = "atomic_folder") -> None:
    """Start a process that opens `writer` for `path`, does something with `temporary`, and is killed in the block."""
    script = f"""
import os, signal, sys
from arms.data.atomic import {writer}
with {writer}(sys.argv[1]) as temporary:
    exec(sys.argv[2])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script, str(path), before_kill], cwd=ROOT, timeout=60, check=False)


def test_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("1")
        assert not target.exists()
        assert temporary.stat().st_dev == tmp_path.stat().st_dev
    assert (target / "a").read_text() == "1"
    assert names(target.parent) == ["out"]


def test_folder_replaces_all_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("0")
    with atomic_folder(target) as temporary:
        (temporary / "new").write_text("1")
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["out"]


def test_folder_is_untouched_when_the_block_raises(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("0")
    with pytest.raises(ZeroDivisionError), atomic_folder(target) as temporary, (temporary / "new").open("w") as stream:
        print("half written", 1 / 0, file=stream)
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_folder_put_back_when_the_last_rename_fails(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("0")
    with pytest.raises(FileNotFoundError), atomic_folder(target) as temporary:
        temporary.rmdir()
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_folder_replaces_a_link_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kept").write_text("0")
    (tmp_path / "out").symlink_to(tmp_path / "cache")
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "new").write_text("1")
    assert not (tmp_path / "out").is_symlink()
    assert names(tmp_path / "cache") == ["kept"]


def test_folder_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(ArmsError, match=r"out: expected a folder or nothing there, got a file"),
        atomic_folder(tmp_path / "out"),
    ):
        pass


def test_file_appears_whole_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "table.parquet"
    for content in ("first", "second"):
        with atomic_file(target) as temporary:
            temporary.write_text(content)
            assert temporary.name == target.name  # writers that look at the suffix see the right one
        assert target.read_text() == content
    assert names(tmp_path) == ["table.parquet"]


def test_file_is_untouched_when_the_block_raises(tmp_path: Path) -> None:
    target = tmp_path / "table"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_file(target) as temporary, temporary.open("w") as stream:
        print("half written", 1 / 0, file=stream)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["table"]


def test_file_replaces_a_link_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "cached").write_text("kept")
    (tmp_path / "table").symlink_to(tmp_path / "cached")
    with atomic_file(tmp_path / "table") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "cached").read_text() == "kept"
    assert (tmp_path / "table").read_text() == "new"


def test_file_errors(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected a file to be written to"), atomic_file(tmp_path / "a"):
        pass
    (tmp_path / "b").mkdir()
    with (
        pytest.raises(ArmsError, match=r"b: expected a file or nothing there, got a folder"),
        atomic_file(tmp_path / "b"),
    ):
        pass
    assert names(tmp_path) == ["b"]


def test_what_a_killed_process_left_is_removed_on_next_use(tmp_path: Path) -> None:
    target = tmp_path / "out"
    kill_a_writer(target, "(temporary / 'half').write_text('written')")
    assert not target.exists()
    assert names(tmp_path) == [".out.lock", ".out.tmp"]
    with atomic_folder(target) as temporary:
        (temporary / "whole").write_text("1")
    assert names(tmp_path) == ["out"]
    assert names(target) == ["whole"]


def test_old_folder_caught_between_two_renames_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("0")
    kill_a_writer(target, "os.rename(sys.argv[1], f'{temporary}.old')")
    assert not target.exists()
    with pytest.raises(RuntimeError, match="midway"), atomic_folder(target):
        raise RuntimeError("midway")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_a_killed_writer_of_a_file_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    kill_a_writer(target, "temporary.write_text('half')", "atomic_file")
    assert target.read_text() == "old"
    with atomic_file(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_a_second_writer_is_refused_while_the_first_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_PATIENCE_S", 0.1)
    with atomic_folder(tmp_path / "out") as first:
        (first / "a").write_text("first")
        with pytest.raises(ArmsError, match=r"out: another process is writing it"), atomic_folder(tmp_path / "out"):
            pass
        with atomic_folder(tmp_path / "out2") as other:  # another name is free
            (other / "a").write_text("other")
    assert (tmp_path / "out" / "a").read_text() == "first"
    assert names(tmp_path) == ["out", "out2"]


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with atomic_file(tmp_path / "out") as draft:
            draft.write_text(str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    assert (tmp_path / "out").read_text() in map(str, range(8))
    assert names(tmp_path) == ["out"]


def test_modes_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_folder(tmp_path / "out") as temporary:
            (temporary / "a").write_text("")
            (temporary / "a").chmod(0o600)  # as some libraries do
        with atomic_file(tmp_path / "b") as temporary:
            temporary.write_text("")
            temporary.chmod(0o600)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("out", "out/a", "b")]
    assert modes == [0o750, 0o640, 0o640]


def test_a_folder_may_hold_links_and_folders(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "gone").symlink_to("nowhere")
    assert (tmp_path / "out" / "deep" / "gone").is_symlink()


def test_all_is_on_the_disk_before_the_rename_and_the_name_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    monkeypatch.setattr(atomic, "flush", lambda path: flushed.append((path.name, (tmp_path / "out").exists())))
    with atomic_folder(tmp_path / "out") as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "a").write_text("1")
    assert sorted(flushed[:-1]) == [("a", False), ("deep", False), ("out", False)]
    assert flushed[-1] == (tmp_path.name, True)


@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path, writer: Any) -> None:
    """A limit on the size of files acts as a full disk."""
    script = f"""
import resource, sys
from pathlib import Path
from arms.data.atomic import {writer.__name__}
from arms.errors import ArmsError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with {writer.__name__}(sys.argv[1]) as draft:
        (draft / "a" if draft.is_dir() else draft).write_bytes(bytes(4000))
except ArmsError as error:
    print(error)
"""
    with writer(tmp_path / "out") as draft:
        (draft / "a" if draft.is_dir() else draft).write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"{tmp_path / 'out'}: the disk is full (" in done.stdout
    assert "make room, then run the same again" in done.stdout
    file = tmp_path / "out" / "a" if writer is atomic_folder else tmp_path / "out"
    assert file.read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_what_another_process_has_reserved_is_refused_until_it_ends(tmp_path: Path) -> None:
    script = """
import sys
from arms.data.atomic import reserved
with reserved(sys.argv[1]):
    print("held", flush=True)
    input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "out")], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ArmsError, match=r"out: another process is at work on it"), reserved(tmp_path / "out"):
        pass
    with reserved(tmp_path / "other"):
        pass
    holder.kill()
    holder.communicate()
    with reserved(tmp_path / "out"), atomic_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out"]
