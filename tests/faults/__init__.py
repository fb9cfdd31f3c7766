"""The chaos suite: real brokers and real processes that are killed, and one oracle that says whether the promise held."""
