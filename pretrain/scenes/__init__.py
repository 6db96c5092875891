"""What is drawn: a module per family of scenes, joined by the registry in `base`."""
