"""Redrive: a dead letter goes back through a topic of our own, and is judged again as the record that it was."""
