"""Letters out: rendered, made into mail, and handed to a server or put into the demo's mailbox."""
