"""Selection: from confidences and expenses to the VLM that answers."""
