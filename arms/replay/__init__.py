"""What another router or policy would have made of a gateway's log."""
