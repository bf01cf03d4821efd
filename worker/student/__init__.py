"""A bundle at work: ONNX Runtime, tokenizer, decoding, calibration; and how a bundle is assembled. No torch."""
