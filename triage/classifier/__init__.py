"""From text to calibrated probabilities."""
