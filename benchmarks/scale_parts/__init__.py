"""The parts of the benchmark of large tables."""
