"""The school: pairs, teacher rationales, supervised fine-tuning, calibration and evaluation. Needs the `train` extra."""
