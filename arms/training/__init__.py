"""Training a router's net: the loop, its losses, its optimiser, and what is done once it has ended."""
