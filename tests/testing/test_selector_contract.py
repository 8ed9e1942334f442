"""Each check of the contract of selectors fails for one that breaks it, and says why."""

from __future__ import annotations

from merc.components import Selector
from merc.errors import MercError
from merc.testing import SelectorContract
from tests.testing.broken import frozen, said


def broken(choose, draws=1):
    """A selector that gives each query what ``choose(pool, query, queries)`` gives."""

    @frozen
    class Broken(Selector):
        def draws(self):
            return draws

        def load(self, pool):
            return lambda queries, vectors, draw: [choose(pool, query, queries) for query in queries]

    return Broken()


def others(pool, query):
    return [p for p, shown in enumerate(pool.queries) if shown.conversation.id != query.conversation.id]


def test_own_conversation():
    check = "test_no_query_is_shown_its_own_conversation"
    assert "gives 'talk0_u0' a demonstration from its own conversation; leave out places whose" in said(
        SelectorContract, broken(lambda pool, query, queries: [0]), check
    )


def test_places_of_another_kind_or_outside_the_pool():
    check = "test_nothing_is_shown_twice"
    for place in (-1, 37, 1.0, "talk0_u0"):
        selector = broken(lambda pool, query, queries, place=place: [place])
        assert f"Broken gives {place!r} for 'talk0_u0'; a place is a whole number from 0 to 36" in said(
            SelectorContract, selector, check
        )
    short = said(SelectorContract, frozen(type("Short", (Selector,), {"load": lambda *_: lambda *_: []}))(), check)
    assert "Short gives 0 lists of places for 41 queries" in short


def test_twice():
    selector = broken(lambda pool, query, queries: others(pool, query)[:1] * 2)
    assert "Broken gives 'talk0_u0' a place twice: [2, 2]" in said(
        SelectorContract, selector, "test_nothing_is_shown_twice"
    )


def test_another_choice_the_second_time_or_in_other_company():
    counted = iter(range(10**6))
    wanders = broken(lambda pool, query, queries: [others(pool, query)[next(counted) % 7]])
    assert "gives other places the second time; take what is random from pool.seed" in said(
        SelectorContract, wanders, "test_same_query_gives_same_places"
    )
    company = broken(lambda pool, query, queries: [others(pool, query)[len(queries) % 7]])
    assert "gives 'talk0_u0' depend on the queries beside it" in said(
        SelectorContract, company, "test_same_query_gives_same_places"
    )


def test_the_label():
    peeks = broken(
        lambda pool, query, queries: [
            next(p for p in others(pool, query) if query.target.label in (None, pool.queries[p].target.label))
        ]
    )
    assert "gives other places when the query's labels are taken away" in said(
        SelectorContract, peeks, "test_the_label_of_a_query_does_not_count"
    )


def test_draws():
    check = "test_draws_count_from_one"
    assert "draws() gives 0; it counts from 1" in said(SelectorContract, broken(others, draws=0), check)


def test_a_small_pool():
    check = "test_a_pool_too_small_is_a_mistake_of_the_user"
    fails = broken(lambda pool, query, queries: [others(pool, query)[0]])
    assert "Broken fails where there is nothing to show: IndexError: " in said(SelectorContract, fails, check)
    own = broken(lambda pool, query, queries: [0])
    assert "shows a query its own conversation where there is no other" in said(SelectorContract, own, check)

    def refuse(pool, query, queries):
        raise MercError("too few")

    case = type("Case", (SelectorContract,), {"component": broken(refuse)})()
    case.test_a_pool_too_small_is_a_mistake_of_the_user()
