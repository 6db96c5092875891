"""From rows whose columns are named by settings to queries and outcomes: what `records`, `csv` and `m2` share."""
