"""Pages for people: the payment page behind a letter's link, and the demo's mailbox."""
