"""What the Dockerfile runs while it builds: which distributions go in, at which pins, and the bill of materials."""
