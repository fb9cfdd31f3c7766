"""What redrive and escalation share: a record that lies in a topic of ours to be judged once more, with what was said of it."""
