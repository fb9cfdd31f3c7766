"""How running services are, from what they tell of themselves."""
