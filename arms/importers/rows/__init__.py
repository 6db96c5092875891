"""The one reader of rows: CSV, TSV, XLSX, JSON, JSON Lines and Parquet all give the place of a row and its cells."""
