"""Opening a gateway's log: files, URLs, versions, and what is no log."""

import sqlite3
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

pytest.importorskip("sqlalchemy")

from arms.errors import ArmsError
from arms.traffic.places import driver_url, shown_place, sqlite_file
from arms.traffic.store import open_store


def make(file):
    """An empty log."""
    open_store(str(file), make=True).close()
    return str(file)


def test_nobody_else_may_read_it(tmp_path):
    place = make(tmp_path / "folder/m.db")
    assert stat.S_IMODE((tmp_path / "folder/m.db").stat().st_mode) == 0o600
    open_store(place).close()
    open_store(f"sqlite:///{place}").close()


def test_several_open_a_new_file_at_once(tmp_path):
    """SQLite by itself refuses some of them: it does not wait where the journal's mode changes."""
    with ThreadPoolExecutor(6) as threads:
        for number in range(40):
            place, together = str(tmp_path / f"{number}.db"), Barrier(6)

            def open_it(_, place=place, together=together):
                together.wait()
                open_store(place, make=True).close()

            list(threads.map(open_it, range(6)))


def test_every_commit_is_on_disk(tmp_path):
    store = open_store(str(tmp_path / "m.db"), make=True)
    with store.engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    store.close()
    assert found == ["wal", 2]


def test_a_version_that_is_not_known(tmp_path):
    place = make(tmp_path / "m.db")
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE arms_memory SET version = 7")
    connection.close()
    for wanted in (True, False):
        with pytest.raises(ArmsError, match="expected a gateway's log of version 1, got version 7; use the arms that"):
            open_store(place, make=wanted)


def test_tables_without_a_version(tmp_path):
    with sqlite3.connect(tmp_path / "m.db") as connection:
        connection.execute("CREATE TABLE arms_decisions (request_id TEXT)")
    connection.close()
    with pytest.raises(ArmsError, match="got version none"):
        open_store(str(tmp_path / "m.db"), make=True)


def test_what_is_no_log(tmp_path):
    (tmp_path / "notes.txt").write_text("These are notes, and they are longer than the head of a file of SQLite." * 9)
    (tmp_path / "empty.db").touch()
    for name, said in (
        ("notes.txt", "file is not a database; name the file"),
        ("empty.db", "expected the log of a gateway, got a database without its tables"),
        ("none.db", "expected a file of SQLite, got no such file"),
        (".", "expected a file of SQLite, got something else"),
    ):
        with pytest.raises(ArmsError, match=said):
            open_store(str(tmp_path / name))
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("place", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://m.db"])
def test_urls_without_a_file(place):
    with pytest.raises(ArmsError, match="got a URL without a file"):
        open_store(place)


def test_other_databases(tmp_path):
    with pytest.raises(ArmsError, match=r"mysql://me:\*\*\*@host/db: expected .*, got mysql"):
        open_store("mysql://me:secret@host/db")


def test_passwords_are_not_shown():
    assert shown_place("postgresql://me:se:cret@host/db") == "postgresql://me:***@host/db"
    assert shown_place("postgresql://me@host/db?password=secret&x=1") == "postgresql://me@host/db?password=***&x=1"
    assert shown_place("a:b@c.db") == "a:b@c.db"


def test_urls_as_the_library_takes_them():
    assert driver_url("postgres://me@host/db") == "postgresql+psycopg://me@host/db"
    assert driver_url("some/m.db") == "sqlite:///some/m.db"
    assert sqlite_file("sqlite:////tmp/m.db") == "/tmp/m.db"
    assert sqlite_file("postgresql://host/db") is None


def test_a_server_that_is_not_there():
    pytest.importorskip("psycopg")
    with pytest.raises(
        ArmsError,
        match=r"postgresql://me:\*\*\*@127.0.0.1:1/db: expected a database that can be opened, got: .*refused",
    ) as told:
        open_store("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(told.value)
    assert "start the server" in str(told.value)


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ArmsError, match=r"expected SQLAlchemy .*; run: pip install 'arms\[serve\]'"):
        open_store(str(tmp_path / "m.db"), make=True)
