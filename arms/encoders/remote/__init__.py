"""Embeddings of texts from an OpenAI-compatible server, pinned by its answer to a probe."""
