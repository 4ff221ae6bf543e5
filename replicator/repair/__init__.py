"""What an operator mends: which rows are concerned, what is to be done, and what can't be."""
