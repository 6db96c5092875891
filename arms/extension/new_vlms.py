"""New VLMs for a prepared dataset: their profiles and outcomes, read from two files and joined to the dataset."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile, parse_entry, read_vlms
from arms.data.tables import OUTCOMES, conform, is_in, parse_verdicts, read_table
from arms.errors import ArmsError

_COLUMNS = list(OUTCOMES.required)


def read_profiles(path: Path) -> tuple[VlmProfile, ...]:
    """Read a YAML file that holds one entry of vlms.yaml, or a list of them; raises as `read_vlms` does."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        content = None  # read_vlms reports what is wrong
    return (parse_entry(content, str(path)),) if isinstance(content, dict) else read_vlms(path)


def read_new_outcomes(
    path: Path | None, vlms: Sequence[str], prepared: Prepared
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Read the outcomes of new VLMs from Parquet or CSV, and set aside the rows that cannot be used.

    Parameters
    ----------
    path : Path or None
        A table with the columns query_id, vlm and correct; other columns are ignored. None is a table without rows.
    vlms : sequence of str
        The new VLMs.
    prepared : Prepared

    Returns
    -------
    DataFrame
        query_id, vlm and correct (bool), one row for each pair that is known.
    dict of str to int
        How many rows were set aside, by reason.

    Raises
    ------
    ArmsError
        If the file cannot be read, a row names a VLM that is not new, a (query, VLM) pair comes twice, or none of its
        queries is in the dataset.
    """
    if path is None:
        return prepared.outcomes[_COLUMNS][:0], {}
    table = (_read_csv(path) if path.suffix == ".csv" else read_table(path, OUTCOMES))[_COLUMNS]
    strangers = table["vlm"][~is_in(table["vlm"], vlms)]
    if len(strangers):
        raise ArmsError(
            f"{path}, column 'vlm': expected the VLMs that the profiles describe, {', '.join(vlms)}, got "
            f"{', '.join(map(repr, strangers.unique()[:5]))} ({len(strangers)} rows); describe them too, or remove "
            "these rows"
        )
    if repeated := int(table.duplicated(["query_id", "vlm"]).sum()):
        raise ArmsError(f"{path}: expected one row per query_id and vlm, got {repeated} rows too many; remove them")
    prepared_query = is_in(table["query_id"], prepared.queries["query_id"])
    if len(table) and not prepared_query.any():
        raise ArmsError(
            f"{path}, column 'query_id': expected queries of the prepared dataset, such as "
            f"{prepared.queries['query_id'].iloc[0]!r}, got only others, such as {table['query_id'].iloc[0]!r}; set "
            "data in params.yaml to the dataset that these outcomes are of"
        )
    verdicts = parse_verdicts(table["correct"])
    known = verdicts.notna().to_numpy()
    set_aside = {
        "query not in the prepared dataset": int((~prepared_query).sum()),
        "correct neither true nor false": int((prepared_query & ~known).sum()),
    }
    usable = prepared_query & known
    outcomes = table[usable].assign(correct=verdicts[usable].astype(bool)).reset_index(drop=True)
    return outcomes, {reason: count for reason, count in set_aside.items() if count}


def join_new_vlms(
    prepared: Prepared, pool: Sequence[VlmProfile], new: Sequence[VlmProfile], outcomes: pd.DataFrame
) -> Prepared:
    """Make a router's pool the dataset's base pool, and add the new VLMs with their outcomes.

    If the dataset has no outcomes of a VLM in the pool, its outcome is unknown on every query.
    """
    base, names = (tuple(vlm.name for vlm in vlms) for vlms in (pool, new))
    recorded = prepared.outcomes[is_in(prepared.outcomes["vlm"], base)]
    return replace(
        prepared,
        outcomes=pd.concat([recorded, outcomes], ignore_index=True),
        vlms=(*pool, *new),
        base=base,
        new=names,
        probabilities=None,
    )


def _read_csv(path: Path) -> pd.DataFrame:
    """Read the table with its types; only an empty `correct` is null, so that a query may be called NA."""
    try:
        frame = pd.read_csv(
            path,
            usecols=lambda name: name in _COLUMNS,
            dtype={"query_id": "str", "vlm": "str"},
            keep_default_na=False,
            na_values={"correct": [""]},
        )
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise ArmsError(
            f"{path}: expected CSV with columns {', '.join(_COLUMNS)}, could not read it: {error}"
        ) from error
    return conform(frame, OUTCOMES, path)
