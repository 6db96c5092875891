"""ARMS inside gateways that others run; none of them is imported here."""
