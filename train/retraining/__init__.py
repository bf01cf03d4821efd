"""From what people decided to a candidate, or to a refusal with its numbers."""
