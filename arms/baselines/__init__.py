"""The routers that ARMS is compared with, and their registry."""
