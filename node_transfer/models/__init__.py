"""Backbones and the classifier that is built on them."""
