"""Extension: the pool grows from S to S'."""
