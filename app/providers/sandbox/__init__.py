"""A Stripe-shaped world of its own: state machine, HTTP server and control of time and faults."""
