"""What is promised of a record once it was read: the ledger, the window, the order in which things settle."""
