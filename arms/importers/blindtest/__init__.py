"""BlindTest's repository."""
