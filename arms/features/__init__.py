"""The feature cache: what crosses the encoders' cuts, on disk and in memory."""
