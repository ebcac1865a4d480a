"""Finance's figures: what they mean and how an answer is made of ledger sums."""
