"""The page itself: routes, templates and what keeps strangers and hostile listings out."""
