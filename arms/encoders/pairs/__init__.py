"""Joint encoders: models of a query's pictures and its question together."""
