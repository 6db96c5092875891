"""Figures, tables and pages, drawn and written from numbers that are there already."""
