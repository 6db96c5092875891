"""Benchmarks: ``python -m benchmarks.<name>`` prints a table and writes benchmarks/results/<name>.json."""

import os

# As for the stages; stages/__init__.py says why.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
