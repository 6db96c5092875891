"""Opening a gateway's log: SQLite or PostgreSQL, its tables made where there are none, their version checked."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arms.errors import ArmsError
from arms.traffic.places import driver_url, shown_place, sqlite_file

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

WAIT_S = 5  # for a lock, or for a server that does not answer
_LOCK = 0x61726D73  # of PostgreSQL, held while tables are made
_ADVICE = {
    "database is locked": "another process holds it for long: end that process, or give each gateway a file of its own",
    "disk is full": "make room on the disk",
    "No space left": "make room on the server's disk",
    "file is not a database": "name the file of a gateway's memory",
    "readonly": "make the file and its folder writable",
    "unable to open": "make its folder, and let this user write there",
    "Connection refused": "start the server, or correct the URL",
    "password authentication failed": "correct the user and the password in the URL",
}


class Store:
    """A database that holds a gateway's log.

    Attributes
    ----------
    shown : str
        Where it is, without a password; opens the messages of errors.
    engine : Engine
        For use by one thread.
    """

    def __init__(self, place: str, engine: "Engine") -> None:
        self.shown = shown_place(place)
        self.engine = engine

    @contextmanager
    def transaction(self, doing: str) -> "Iterator[Connection]":
        """A connection whose work is committed at the end; an ArmsError if the database fails."""
        with telling(self.shown, doing), self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def open_store(place: str, *, make: bool = False) -> Store:
    """Open a gateway's log.

    Parameters
    ----------
    place : str
        A path of SQLite's file, sqlite:///FILE or postgresql://USER@HOST/DATABASE.
    make : bool
        Make the tables where there are none, and write so that what is committed is on disk.

    Raises
    ------
    ArmsError
        If the database cannot be reached, is no gateway's log, or one of another version.
    """
    need_sqlalchemy()
    file = sqlite_file(place)
    if file is not None:
        _check_file(file, place, make=make)
    store = Store(place, _engine(place, file, make=make))
    try:
        with store.transaction("opened") as connection:
            if make:
                _make_tables(connection)
            _check_version(connection, store.shown)
    except ArmsError:
        store.close()
        raise
    return store


def need_sqlalchemy() -> None:
    """Raise an ArmsError if the libraries of databases are missing."""
    try:
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise ArmsError(f"a gateway's log: expected SQLAlchemy ({error}); run: pip install 'arms[serve]'") from error


@contextmanager
def telling(where: str, doing: str) -> Iterator[None]:
    """Turn what a database raises into an ArmsError that says what to do."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        said = str(error.orig if isinstance(error, DBAPIError) else error).strip().replace("\n", "; ")
        advice = next((told for key, told in _ADVICE.items() if key.lower() in said.lower()), "look at the database")
        raise ArmsError(f"{where}: expected a database that can be {doing}, got: {said}; {advice}") from error


def _engine(place: str, file: str | None, *, make: bool) -> "Engine":
    from sqlalchemy import create_engine, event

    url = driver_url(place)
    if file is None:
        # A commit that returns must be on the server's disk, whatever its settings say.
        options = f"-c synchronous_commit=on -c lock_timeout={WAIT_S}s -c statement_timeout={60 * WAIT_S}s"
        arguments: dict[str, Any] = {"connect_timeout": WAIT_S, "options": options}
        try:
            return create_engine(url, connect_args=arguments, pool_pre_ping=True)
        except ImportError as error:
            raise ArmsError(
                f"{shown_place(place)}: expected psycopg for PostgreSQL ({error}); run: pip install 'arms[postgres]'"
            ) from error
    # IMMEDIATE: a transaction that is going to write never finds, half-way, that another one wrote before it.
    engine = create_engine(url, connect_args={"timeout": WAIT_S, "isolation_level": "IMMEDIATE"})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        if make:
            _keep_ahead_log(connection, file)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


def _keep_ahead_log(connection: Any, file: str) -> None:
    """Have SQLite keep a write-ahead log; where another process opens a new file too, wait, as SQLite does not here."""
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

    waiting = Retrying(
        retry=retry_if_exception(_is_busy), stop=stop_after_delay(WAIT_S), wait=wait_random(0.01, 0.1), reraise=True
    )
    (mode,) = waiting(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone())
    if mode != "wal":
        raise ArmsError(f"{file}: expected a disk on which SQLite can keep a write-ahead log, got {mode}")


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY


def _check_file(file: str, place: str, *, make: bool) -> None:
    """Make the file readable by nobody else, where it is to be made; else an ArmsError if there is none."""
    path = Path(file)
    if path.exists() and not path.is_file():
        raise ArmsError(f"{place}: expected a file of SQLite, got something else")
    if path.exists():
        return
    if not make:
        raise ArmsError(f"{place}: expected a file of SQLite, got no such file")
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # those of the write-ahead log are made alike


def _make_tables(connection: "Connection") -> None:
    """Make the tables if there are none; of several processes one does, and the others wait."""
    from sqlalchemy import inspect

    from arms.traffic.tables import ABOUT, METADATA, VERSION

    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    if not any(name in METADATA.tables for name in inspect(connection).get_table_names()):
        METADATA.create_all(connection)
        connection.execute(ABOUT.insert().values(version=VERSION))


def _check_version(connection: "Connection", shown: str) -> None:
    """Raise an ArmsError unless the tables are those of this version."""
    from sqlalchemy import inspect, select

    from arms.traffic.tables import ABOUT, METADATA, VERSION

    names = set(inspect(connection).get_table_names())
    if not names & METADATA.tables.keys():
        raise ArmsError(f"{shown}: expected the log of a gateway, got a database without its tables")
    versions = connection.execute(select(ABOUT.c.version)).scalars().all() if ABOUT.name in names else []
    if versions != [VERSION]:
        found = ", ".join(map(str, versions)) or "none"
        raise ArmsError(
            f"{shown}: expected a gateway's log of version {VERSION}, got version {found}; use the arms that wrote it, "
            "or another place"
        )
