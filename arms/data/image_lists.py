"""Columns that list the images of each query: their paths, or the hashes of their bytes."""

import pandas as pd


def each_image(lists: pd.Series) -> pd.Series:
    """All images of all queries, one after the other, each under its query's index; a null list has none."""
    return lists.explode().dropna().astype("str")


def distinct_images(lists: pd.Series) -> list[str]:
    """Each image once, in order of appearance."""
    return each_image(lists).unique().tolist()


def num_images(lists: pd.Series) -> pd.Series:
    """How many images each query has; 0 where that is unknown."""
    return lists.str.len().fillna(0).astype("int64")
