"""`samesku audit`: answers, exports and checks of the audit store."""
