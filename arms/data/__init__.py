"""Outcome tables: which VLM was right on which query, read, checked, split and handed on."""
