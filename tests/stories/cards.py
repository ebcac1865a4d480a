"""How cards behave in stories."""

APPROVES = {"kind": "approve"}
REFUSED_ONCE = {"kind": "script", "codes": ["do_not_honor", "approve"]}
REFUSED_TWICE = {"kind": "script", "codes": ["do_not_honor", "do_not_honor", "approve"]}
REFUSED = {"kind": "decline", "code": "do_not_honor"}
EXPIRED = {"kind": "decline", "code": "expired_card"}
STOLEN = {"kind": "decline", "code": "stolen_card"}
BROKE = {"kind": "decline", "code": "insufficient_funds"}
AUTHENTICATES = {"kind": "authenticate"}
