"""Parts of the benchmark of scenes."""
