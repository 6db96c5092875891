"""The importer of a gateway's log."""
