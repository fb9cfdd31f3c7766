"""How a case becomes a judgement, or an abstention."""
