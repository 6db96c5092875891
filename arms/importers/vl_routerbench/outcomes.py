"""Who was right on which sample, from arrays or from tables of scores."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from arms.errors import ArmsError
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import UnreadableError, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.texts import encodable
from arms.importers.verdicts import GradeRule, parse_grades, to_scores, to_verdicts
from arms.importers.vl_routerbench.arrays import read_numbers
from arms.importers.vl_routerbench.axes import SAMPLES, VLMS, Axis, check_names, read_axis, read_names

_COSTS = ("C.npy", "C.npz")
_QUALITY = ("quality_raw", "quality")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes, a row for each sample and VLM.

    Attributes
    ----------
    where : str
        What they were read from.
    rows : DataFrame
        `query_id`, `vlm`, `grade` (NaN where unknown) and `cost_usd`.
    metric : str
        What the grade is called.
    samples, vlms : tuple of str
        In the order of the arrays.
    """

    where: str
    rows: pd.DataFrame
    metric: str
    samples: tuple[str, ...]
    vlms: tuple[str, ...]

    def table(self, known: Collection[str], rule: GradeRule) -> tuple[pd.DataFrame, str]:
        """The outcomes on the samples that are known, and what counts as correct; an ArmsError as `to_verdicts`."""
        grades = self.rows["grade"].to_numpy(dtype=float)
        correct, statement = to_verdicts(grades, self.metric, rule)
        rows = self.rows.drop(columns="grade").assign(correct=pd.array(correct, dtype="boolean"))
        rows = rows.assign(score=to_scores(grades, rule))
        rows = rows[rows["query_id"].isin(list(known))].reset_index(drop=True)
        return rows.drop(columns=[name for name in ("score", "cost_usd") if rows[name].isna().all()]), statement


def from_arrays(path: Path, source: Path, sample_ids: str | None, model_names: str | None, aside: SetAside) -> Outcomes:
    """The outcomes in Y, with the costs in C if it is there; a value that is not a number is an unknown outcome.

    Raises
    ------
    ArmsError
        If an array cannot be read, has another shape, or nothing but a pickle names its rows or columns.
    """
    correct = read_numbers(path, ("Y", "data", "arr_0"))
    folders = [path.parent, path.parent.parent / "registry", source]
    samples = _axis(SAMPLES, correct.shape[0], path, folders, sample_ids, "--sample-ids")
    vlms = _axis(VLMS, correct.shape[1], path, folders, model_names, "--model-names")
    costs = _costs_beside(path, correct.shape, aside)
    rows = pd.DataFrame(
        {
            "query_id": np.repeat(np.array(samples, dtype=object), len(vlms)),
            "vlm": np.tile(np.array(vlms, dtype=object), len(samples)),
            "grade": correct.ravel(),
            "cost_usd": costs.ravel(),
        }
    )
    known = rows[rows["grade"].notna()].reset_index(drop=True)
    return Outcomes(str(path), known, "Y", tuple(samples), tuple(vlms))


def from_tables(paths: Sequence[Path], aside: SetAside) -> Outcomes:
    """The outcomes in tables with the columns sample_id, model_id and quality, without costs."""
    rows: list[tuple[str, str, object]] = []
    for path in paths:
        try:
            with open_table(path, aside) as table:
                columns = table.columns or ()
                quality = next((name for name in _QUALITY if name in columns), None)
                if quality is None or not {"sample_id", "model_id"} <= {*columns}:
                    found = ", ".join(columns[:20])
                    raise UnreadableError(f"{path}: expected columns sample_id, model_id and quality, got {found}")
                for where, cells in table.rows(["sample_id", "model_id", quality]):
                    sample, vlm = (cell_text(cells[name]) or "" for name in ("sample_id", "model_id"))
                    if not sample.strip() or not vlm.strip() or not vlm.isprintable():
                        advice = "fill in both"
                        aside.add("score without its sample or VLM", where, advice, detail=f"{sample!r}, {vlm!r}")
                        continue
                    rows.append((encodable(sample), encodable(vlm), cells[quality]))
        except UnreadableError as error:
            aside.add("file that cannot be read", str(path), "build it again", detail=str(error))
    frame = pd.DataFrame(rows, columns=["query_id", "vlm", "value"], dtype=object)
    grades, wrong = parse_grades(frame.pop("value"))
    if wrong.any():
        aside.note(
            "value that is not a grade", str(paths[0].parent), "write 0 or 1; it is unknown", count=int(wrong.sum())
        )
    names = [tuple(dict.fromkeys(frame[name])) for name in ("query_id", "vlm")]
    return Outcomes(str(paths[0].parent), frame.assign(grade=grades, cost_usd=np.nan), "quality", *names)


def _axis(axis: Axis, length: int, path: Path, folders: Sequence[Path], named: str | None, flag: str) -> list[str]:
    """The names along an axis, from the file that the user named if there is one."""
    if named is None:
        return read_axis(axis, length, path, folders, flag)
    return check_names(read_names(Path(named), axis), axis, length, Path(named))


def _costs_beside(path: Path, shape: tuple[int, ...], aside: SetAside) -> np.ndarray:
    """The costs beside an array, NaN where they are not known."""
    there = [path.parent / name for name in _COSTS if (path.parent / name).exists()]
    if not there:
        return np.full(shape, np.nan)
    costs = read_numbers(there[0], ("C", "data", "arr_0"))
    if costs.shape != shape:
        raise ArmsError(f"{there[0]}: expected costs of shape {shape}, as {path.name} has, got {costs.shape}")
    if not costs.any():
        aside.note("costs that are all 0", str(there[0]), "nothing: they are taken as unknown")
        return np.full(shape, np.nan)
    return costs
