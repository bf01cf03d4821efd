"""How far a teacher can be trusted: what people should check, what their checks say, and what may be trained on."""
