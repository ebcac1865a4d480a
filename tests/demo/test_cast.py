"""The cast of the demo: drawn by seed and name, rich enough to be worth watching."""

from datetime import timedelta

from app.demo.cast import COMPANIES, DAYS, KELP, OPENING, TERN, behaviour_of, cast, expiry_of


def test_the_same_seed_has_the_same_cast_and_another_seed_another() -> None:
    assert cast(1, OPENING) == cast(1, OPENING)
    assert cast(1, OPENING) != cast(2, OPENING)


def test_some_two_hundred_subscribers_on_three_plans_and_both_intervals() -> None:
    people = cast(1, OPENING)

    assert len(people) == KELP.count
    assert len({person.plan for person in people}) == 3
    assert {person.interval for person in people} == {"month", "year"}
    assert len({person.currency for person in people}) >= 2


def test_some_forty_cards_have_a_fate_whatever_the_seed() -> None:
    for seed in range(1, 6):
        fated = [person for person in cast(seed, OPENING) if person.fate]

        assert len(fated) == sum(count for _, count in KELP.fates)
        assert all(behaviour_of(person) for person in fated)


def test_everything_happens_on_whole_hours_within_the_weeks() -> None:
    for person in cast(3, OPENING):
        assert person.renews_at == person.renews_at.replace(minute=0, second=0, microsecond=0)
        assert OPENING <= person.renews_at < OPENING + timedelta(days=DAYS)


def test_those_who_go_silent_fail_early_enough_to_end_on_stage() -> None:
    silent = [p for p in cast(1, OPENING) if p.fate and p.fate.early]

    assert silent
    assert all(p.renews_at < OPENING + timedelta(days=3) for p in silent)


def test_a_second_company_has_people_of_its_own() -> None:
    both = [{person.key for person in cast(1, OPENING, company)} for company in COMPANIES]

    assert not both[0] & both[1]
    assert any(person.fate for person in cast(1, OPENING, TERN))


def test_whoever_disputes_and_whose_card_runs_out_is_there_whatever_the_seed() -> None:
    for seed in range(1, 6):
        fates = [person.fate for person in cast(seed, OPENING) if person.fate]
        running_out = [p for p in cast(seed, OPENING) if expiry_of(p, OPENING)]

        assert sum(fate.disputes for fate in fates) == 1
        assert [p.renews_at.month for p in running_out] == [OPENING.month + 1]
