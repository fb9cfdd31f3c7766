"""`stream-guard check`: facts about a configuration and the cluster that it names, and what is to be said of them."""
