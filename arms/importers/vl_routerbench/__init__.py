"""The layout of VL-RouterBench, which SCOPE shares: arrays of samples by VLMs, names of both, and the samples."""
