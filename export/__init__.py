"""From base and adapter to a verified bundle and the recipe that rebuilds it without torch."""
