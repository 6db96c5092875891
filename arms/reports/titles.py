"""What tables and figures call splits and pools."""

SPLIT_TITLES = {"id": "in distribution", "ood": "out of distribution"}
POOL_TITLES = {"base": "base pool", "extended": "extended pool"}


def panel_title(split: str, pool: str) -> str:
    """The title of a table or a plot, such as "In distribution, base pool"; an unknown name stays as it is."""
    return f"{split_title(split)}, {POOL_TITLES.get(pool, pool)}"


def split_title(split: str) -> str:
    """The title of a split, such as "In distribution"."""
    return SPLIT_TITLES[split].capitalize() if split in SPLIT_TITLES else split
