"""Policies: documents that a trust-and-safety engineer writes."""
