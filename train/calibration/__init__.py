"""From logits to probabilities and from probabilities to thresholds: fitted on validation, never on a test set."""
