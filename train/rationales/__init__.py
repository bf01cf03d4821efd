"""Where attribute verdicts and sentences come from: imported teacher rationales, and honest derivation where there is none."""
