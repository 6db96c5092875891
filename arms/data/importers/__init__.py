"""Importers: one file per log format; `registry` names them, `run` turns a log into a dataset."""
