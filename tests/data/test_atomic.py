import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from arms.data.atomic import atomic_file, atomic_folder
from arms.errors import ArmsError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def leave_stale(path: Path, before_kill: str) -> None:
    """Start a process that opens an atomic folder for `path`, does something, and is killed inside the block."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        from arms.data.atomic import atomic_folder
        with atomic_folder(sys.argv[1]) as temporary:
            (temporary / "half").write_text("written")
            exec(sys.argv[2])
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, str(path), before_kill], cwd=root, timeout=60, check=False)


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
    leave_stale(target, "")
    assert not target.exists()
    assert len(names(tmp_path)) == 1  # the stale workspace
    with atomic_folder(target) as temporary:
        (temporary / "whole").write_text("1")
    assert names(tmp_path) == ["out"]
    assert names(target) == ["whole"]


def test_old_folder_caught_between_two_renames_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("0")
    leave_stale(target, "os.rename(sys.argv[1], temporary.parent / 'old')")
    assert not target.exists()
    with pytest.raises(RuntimeError, match="midway"), atomic_folder(target):
        raise RuntimeError("midway")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["out"]


def test_writer_at_work_and_similar_names_are_left_alone(tmp_path: Path) -> None:
    bystander = tmp_path / ".out.tmp-notes"  # not a workspace's name
    bystander.mkdir()
    with atomic_folder(tmp_path / "out") as slow:
        (slow / "a").write_text("slow")
        with atomic_folder(tmp_path / "out") as quick:
            (quick / "a").write_text("quick")
        assert (slow / "a").read_text() == "slow"
    assert (tmp_path / "out" / "a").read_text() == "slow"  # the last to end
    assert names(tmp_path) == [".out.tmp-notes", "out"]
