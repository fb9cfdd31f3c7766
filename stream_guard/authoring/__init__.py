"""What helps an author of policies: the lint, and policies made of documents that others wrote."""
