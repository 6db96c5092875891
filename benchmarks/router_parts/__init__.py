"""The parts of ``benchmarks.routers``."""
