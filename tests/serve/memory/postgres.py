"""A PostgreSQL server of its own for tests: started in a temporary folder, reached by a socket there."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

GIVEN = "ARMS_TEST_POSTGRES"  # the URL of a database of no other use, instead of a server of our own


def programs() -> Path | None:
    """The folder of the server's programs, where there are any: the one on the PATH, else Debian's newest."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(map(Path, glob.glob("/usr/lib/postgresql/*/bin")))
    return folders[-1] if folders else None


class Server:
    """A server that can be killed and started again; it refuses to run as root, so there it runs as another user."""

    def __init__(self) -> None:
        folder = programs()
        if folder is None:
            pytest.skip(f"needs PostgreSQL: initdb on the PATH, or the URL of a database of no other use in {GIVEN}")
        self._programs = folder
        self._folder = Path(tempfile.mkdtemp(prefix="arms-postgres-"))
        self._user = _other_user() if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "arms", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        """Of the database."""
        return f"postgresql://arms@/postgres?host={self._folder}"

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it, and wait until it answers; after a kill it recovers first."""
        options = f"-k {self._folder} -c listen_addresses=''"
        log = str(self._folder / "log")
        for left in reversed(range(100)):  # what a killed server shared is free a moment after its last child's end
            try:
                self._run("pg_ctl", "-D", self._data, "-l", log, "-o", options, "-w", "-t", "60", "start")
            except subprocess.CalledProcessError:
                if not left:
                    raise
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """End the server and its children with SIGKILL, as a machine that loses its power would."""
        first = psutil.Process(int((Path(self._data) / "postmaster.pid").read_text().splitlines()[0]))
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        identity = {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid}
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **identity,
            **({} if self._user is None else {"extra_groups": []}),
        )


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("needs a user other than root for PostgreSQL")
