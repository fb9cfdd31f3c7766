"""What people and models wrote, decoded from a record, and what of it is judged."""
