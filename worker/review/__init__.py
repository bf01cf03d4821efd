"""The review page: people look at doubtful pairs, and what they say becomes labels on `match.labels`.

Tasks come from `match.review` and `match.labeling`, decisions are read for the history; everything that the page knows
lies in one SQLite file. Pure or storage-only: `settling`, `differences`, `agreement`, `tasks`, `voting`, `waiting`,
`labelstudio`. Kafka: `intake`, `publishing`. The web: `web/`. Nothing is imported here: each needs other packages.
"""
