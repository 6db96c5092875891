"""Encoders: images and texts to features, each cut into a frozen trunk and a tunable tail."""
