"""Benchmarks: ``python -m benchmarks.<name>`` prints a table and writes benchmarks/results/<name>.json."""

import os

# As the stages do, see stages/__init__.py; read when torch loads its OpenMP.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
