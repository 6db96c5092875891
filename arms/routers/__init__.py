"""Routers: from queries to one confidence per VLM."""
