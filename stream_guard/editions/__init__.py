"""Editions: the routes and policies in force, and how others take their place while the service runs."""
