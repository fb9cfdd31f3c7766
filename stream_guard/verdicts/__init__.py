"""The published contract: verdicts, rulings, dead letters, how they are encoded and how a subscriber folds them."""
