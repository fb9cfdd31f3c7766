"""Judges what passes through Kafka topics under policies you write."""

__version__ = "0.1.0"
