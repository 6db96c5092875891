"""Records in the form of M2."""
