from generation_service.clients.fair_queue import FairQueue


def filled(*pairs):
    queue: FairQueue[str, int] = FairQueue()
    for key, value in pairs:
        queue.push(key, value)
    return queue


def drain(queue, decide=lambda _key: True):
    values = []
    while popped := queue.pop(decide):
        values.append(popped[0])
    return values


def test_values_of_one_key_come_in_order():
    assert drain(filled(("a", 1), ("a", 2), ("a", 3))) == [1, 2, 3]


def test_keys_take_turns():
    queue = filled(("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5))
    assert drain(queue) == [1, 4, 2, 5, 3]


def test_a_declined_key_does_not_hold_up_the_others():
    queue = filled(("a", 1), ("b", 2), ("b", 3))
    assert drain(queue, lambda key: key != "a") == [2, 3]
    assert queue


def test_a_declined_key_rests_until_it_is_woken():
    queue = filled(("a", 1), ("a", 2))
    assert drain(queue, lambda _key: False) == []
    queue.push("a", 3)
    assert drain(queue) == []
    queue.wake("a")
    assert drain(queue) == [1, 2, 3]
    assert not queue


def test_all_that_rest_can_be_woken_together():
    queue = filled(("a", 1), ("b", 2))
    drain(queue, lambda _key: False)
    queue.wake_all()
    assert sorted(drain(queue)) == [1, 2]


def test_waking_a_key_that_does_not_rest_changes_nothing():
    queue = filled(("a", 1))
    queue.wake("a")
    queue.wake("unknown")
    assert drain(queue) == [1]


def test_what_was_decided_comes_with_the_value():
    assert filled(("a", 1)).pop(lambda key: f"yes, {key}") == (1, "yes, a")


def test_what_waits_for_a_resting_key_can_be_withdrawn():
    queue = filled(("a", 1), ("a", 2), ("b", 3))
    assert drain(queue, lambda key: key != "a") == [3]
    assert queue.resting() == ["a"]
    assert queue.withdraw("a") == [1, 2]
    assert not queue
    queue.push("a", 4)
    assert drain(queue) == [4]
