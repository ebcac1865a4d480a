"""The operator's pages: cases, what waits for a person, policies. Signed in with an API key."""
