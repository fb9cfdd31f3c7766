"""What an operator does with dead letters: read them, have them judged again, delete them."""
