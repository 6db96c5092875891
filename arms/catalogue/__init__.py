"""The catalogue of VLM profiles: which profile fits a name, what profiles leave unsaid, and how they are edited."""
