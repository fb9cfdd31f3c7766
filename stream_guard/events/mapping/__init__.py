"""The mapping language: from a record of others to an event."""
