"""What hides in a text, or disguises it, and the text without that."""
