"""The school: pairs, teacher rationales, fine-tuning, calibration and evaluation. Needs the `train` extra."""
