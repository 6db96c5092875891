"""The parts of ``benchmarks.importing``."""
