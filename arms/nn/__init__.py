"""The head: gate, fusion experts and cosine classifier, and the net that joins them to the encoders' tails."""
