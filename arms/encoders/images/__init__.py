"""Image models by library: each file takes the models of one library apart, or wraps them whole."""
