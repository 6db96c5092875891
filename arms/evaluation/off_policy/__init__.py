"""What another policy would have earned, estimated from decisions that were logged with their chances."""
