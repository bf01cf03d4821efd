"""One module a sub-command; each is imported only when it is called (see `samesku.cli`).

Each has an `app`, a `typer.Typer` with one command or several. What fails in a way that the user can mend raises
`samesku.errors.CommandError`; wrong configuration raises `schemas.settings.ConfigError`.
"""
