"""Two sets of decisions about the same pairs compared: what turned, what it costs, and whether the new may replace
the old. Needs the extra `compare`; no worker imports it."""
