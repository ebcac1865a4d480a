"""The statements that take work: what is claimed by one is never given to another."""

from app.domain.actions import Action
from app.domain.operations import SHARES, InboxEvent
from app.storage.statements import plan_of

# Any number will do that no other lock of two numbers uses; the other number is the share.
SHARE_LOCK = 1_751_215_206
# The events of one share go to one drain at a time, in order: it holds the share's lock until its
# transaction ends, however that ends. As many shares are taken as fill the batch, that whose turn
# is longest overdue first; one that another drain holds is left to it.
HOLD_SHARES = f"""
with waiting as materialized (
    select share, seq from generate_series(0, {SHARES - 1}) as share
    cross join lateral (
        select seq from inbox
        where inbox.state = 'pending' and inbox.share = share.share order by seq limit 1
    ) as oldest order by seq
), free as (
    select share from waiting where pg_try_advisory_xact_lock({SHARE_LOCK}, share)
), filling as (
    select free.share from free cross join lateral (
        select from inbox where inbox.state = 'pending' and inbox.share = free.share
        order by seq limit $1::bigint
    ) as found limit $1::bigint
)
select share from filling group by share
"""  # noqa: S608 - numbers of ours
# Asked once the shares are held, so that it sees what their last holder settled. Claimed is
# settled: a row is written once. The state is asked again where it is written for the sake of
# releases that know no shares: their rows are waited for, and then not taken.
CLAIM_INBOX = f"""
with mine as materialized (
    select found.place from unnest($2::bigint[]) as held (share) cross join lateral (
        select inbox.ctid as place from inbox
        where inbox.state = 'pending' and inbox.share = held.share order by seq limit $1::bigint
    ) as found limit $1::bigint
)
update inbox set state = 'handled', handled_at = $3::timestamptz
from mine where inbox.ctid = mine.place and inbox.state = 'pending'
returning inbox.seq, {", ".join(f"inbox.{c}" for c in plan_of(InboxEvent).columns.split(", "))}
"""  # noqa: S608 - the columns are those of the record

UNCLAIM_ACTIONS = """
with mine as materialized (
    select action_id from actions join unnest($1::text[], $2::int[]) as given (action_id, claims)
        using (action_id, claims)
    where state = 'pending' and leased_until > (select clock_timestamp())
    for update of actions skip locked
)
update actions set leased_until = clock_timestamp()
from mine where actions.action_id = mine.action_id
"""

PARK_INBOX = """
update inbox set state = 'parked', reason = given.reason
from unnest($1::text[], $2::text[], $3::text[]) as given (account_id, event_id, reason)
where inbox.account_id = given.account_id and inbox.event_id = given.event_id
"""

DROP_BODIES = """
with old as materialized (
    select ctid as place from inbox
    where account_id = $1::text and handled_at <= $2::timestamptz and body is not null
        and state <> 'pending'
    order by handled_at limit $3::bigint
)
update inbox set body = null from old where inbox.ctid = old.place and inbox.state <> 'pending'
returning inbox.event_id
"""
EMPTY_BODIES = """
update inbox set body = null from unnest($1::text[], $2::text[]) as given (account_id, event_id)
where inbox.account_id = given.account_id and inbox.event_id = given.event_id
    and inbox.body is not null
"""

# A customer's actions run one at a time and in order, so an action waits for any of its customer
# that is due before it, and for one that is leased; what only a newer release knows is not waited
# for, as that may have been taken back. Asked row by row (a scalar subselect cannot
# be turned into a join), because only as many rows as are claimed need the answer.
_IS_FREE = """
(customer_id is null or (
    select true from actions as other
    where other.account_id = mine.account_id and other.customer_id = mine.customer_id
        and other.state = 'pending' and other.action_id <> mine.action_id
        and ((other.due_at, other.key) < (mine.due_at, mine.key) and other.kind = any($5::text[])
            or other.leased_until > clock_timestamp())
    limit 1
) is null)
"""
# A kind that a newer release brought is left to it: one row that cannot be read would keep the
# whole claim, and with it everybody's work, from going on while old and new run side by side.
_IS_WANTED = "account_id <> all($4::text[]) and kind = any($5::text[])"
_FIRST = "order by due_at, key limit $1::bigint"
# Never claimed and claimed too long ago stand in two indexes: what is being worked on lies in
# neither's way, however much it is. A subselect lets an index be searched for a changing instant.
# Of the second kind the longest overdue are looked at, as sorting them all would take too long
# after an outage.
CLAIM_ACTIONS = f"""
with fresh as materialized (
    select action_id, due_at, key from actions as mine
    where state = 'pending' and leased_until is null and due_at <= $2::timestamptz
        and {_IS_WANTED} and {_IS_FREE}
    {_FIRST} for update skip locked
), overdue as materialized (
    select action_id, due_at, key from actions as mine
    where state = 'pending' and leased_until <= (select clock_timestamp())
        and due_at <= $2::timestamptz and {_IS_WANTED} and {_IS_FREE}
    order by leased_until limit $1::bigint for update skip locked
), due as materialized (
    select action_id from (select * from fresh union all select * from overdue) as found {_FIRST}
)
update actions set claims = claims + 1,
    leased_until = clock_timestamp() + make_interval(secs => $3::double precision)
from due where actions.action_id = due.action_id
returning {", ".join(f"actions.{column}" for column in plan_of(Action).columns.split(", "))}
"""  # noqa: S608 - the columns are those of the record
