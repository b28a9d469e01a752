"""Synthetic data with known answers, one paper each."""
