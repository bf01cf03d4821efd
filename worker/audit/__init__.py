"""The audit store: every decision with all that made it, kept as Parquet and read with DuckDB (extra `audit`).

Nothing is imported here: a worker without the extra must start.
"""
