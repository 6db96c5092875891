"""lmms-eval's logged samples."""
