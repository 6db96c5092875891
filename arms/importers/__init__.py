"""Importers: a file or folder per log format; `registry` names them, `run` turns a log into a dataset."""
