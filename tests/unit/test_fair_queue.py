from generation_service.clients.fair_queue import FairQueue, FairQueues


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


def test_nothing_is_withdrawn_of_a_key_that_does_not_rest():
    queue = filled(("a", 1))
    assert queue.withdraw("a") == queue.withdraw("unknown") == []
    assert drain(queue) == [1]


def asked(*triples):
    queues: FairQueues[str, str, int] = FairQueues()
    for asker, key, value in triples:
        queues.push(asker, key, value)
    return queues


def test_askers_take_turns_however_many_keys_one_has():
    queues = asked(*(("many", f"key {n}", n) for n in range(5)), ("few", "key", 10))
    assert drain(queues) == [0, 10, 1, 2, 3, 4]
    assert not queues


def test_the_keys_of_an_asker_take_turns():
    assert drain(asked(("x", "a", 1), ("x", "a", 2), ("x", "b", 3), ("y", "a", 4))) == [1, 4, 3, 2]


def test_an_asker_whose_keys_are_all_declined_holds_up_nobody():
    queues = asked(("x", "a", 1), ("x", "b", 2), ("y", "c", 3), ("y", "c", 4))
    assert drain(queues, lambda key: key == "c") == [3, 4]
    assert queues
    assert sorted(queues.resting()) == ["a", "b"]


def test_who_rests_goes_on_with_a_key_that_is_new():
    queues = asked(("x", "a", 1))
    assert drain(queues, lambda _key: False) == []
    queues.push("x", "b", 2)
    assert drain(queues) == [2]
    queues.wake_all()
    assert drain(queues) == [1]


def test_a_key_with_room_for_one_at_a_time_goes_round_the_askers():
    """As a host that is full: each time it has room, the others are declined."""
    queues = asked(*(("x", "a", n) for n in range(3)), *(("y", "a", n) for n in range(10, 13)))
    served = []
    for wake in [lambda: queues.wake("a"), queues.wake_all] * 3:
        room = iter([True])
        served += drain(queues, lambda _key, room=room: next(room, False))
        wake()
    assert served == [0, 10, 1, 11, 2, 12]
    assert not queues


def test_what_waits_for_a_resting_key_is_withdrawn_from_all_who_wait_for_it():
    queues = asked(("x", "a", 1), ("y", "a", 2), ("y", "b", 3), ("z", "a", 4))
    assert drain(queues, lambda key: key != "a") == [3]
    assert queues.resting() == ["a"]
    assert sorted(queues.withdraw("a")) == [1, 2, 4]
    assert not queues
    queues.push("x", "a", 5)
    assert drain(queues) == [5]
