"""Opening a memory by its place."""

from arms.serve.memory.base import Memory
from arms.serve.memory.none import NoMemory
from arms.traffic.store import need_sqlalchemy, open_store


def open_memory(
    url: str, *, keep_questions: bool = False, keep_images: bool = False, keep_outputs: bool = False
) -> Memory:
    """Open a gateway's memory; its tables are made where there are none.

    Parameters
    ----------
    url : str
        A path of SQLite's file, sqlite:///FILE or postgresql://USER@HOST/DATABASE. Several processes may share either.
        none: keep nothing.
    keep_questions, keep_images, keep_outputs : bool
        Keep what was asked and answered; by default only checksums of it are kept.

    Raises
    ------
    ArmsError
        If the libraries of databases are missing, the place cannot be reached, or its tables are of another version.
    """
    if url == "none":
        return NoMemory()
    need_sqlalchemy()

    from arms.serve.memory.database import DatabaseMemory

    return DatabaseMemory(
        open_store(url, make=True),
        keep_questions=keep_questions,
        keep_images=keep_images,
        keep_outputs=keep_outputs,
    )
