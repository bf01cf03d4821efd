"""What it costs to decide: SameSKU against a large model's API, from inputs that each name their source."""
