"""VLMEvalKit's output."""
