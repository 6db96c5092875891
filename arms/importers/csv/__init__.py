"""CSV and TSV files, and the way from columns of texts to queries and outcomes, which M2's records take too."""
