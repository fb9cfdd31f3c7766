"""What turns prompts into completions: a port and its adapters."""
