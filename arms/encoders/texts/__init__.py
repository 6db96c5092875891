"""Text models by library: each file takes the models of one library or family apart, or wraps them whole."""
