import pytest

from generation_service.clients.admission import Admission, Parking, Slots

HOST, OTHER = ("a.test", 80), ("b.test", 80)
NOW, LATER, NEVER = Admission.NOW, Admission.LATER, Admission.NEVER


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def fail(parking, times, host=HOST):
    for _ in range(times):
        parking.record(host, connected=False)


def test_a_share_takes_up_to_the_caps():
    share = Slots(3, 2).join()
    assert [share.take(HOST) for _ in range(3)] == [NOW, NOW, LATER]
    assert [share.take(OTHER) for _ in range(2)] == [NOW, LATER]
    assert share.is_full()


def test_a_slot_given_back_can_be_taken_again():
    share = Slots(1, 1).join()
    share.take(HOST)
    share.give(HOST, connected=True)
    assert share.take(OTHER) is NOW


def test_caps_hold_over_all_shares():
    slots = Slots(10, 2)
    first, second = slots.join(), slots.join()
    assert (first.take(HOST), second.take(HOST)) == (NOW, NOW)
    assert (first.take(HOST), second.take(HOST)) == (LATER, LATER)


def test_a_long_run_leaves_a_later_one_its_fair_part():
    slots = Slots(10, 4)
    long = slots.join()
    assert [long.take(HOST) for _ in range(4)] == [NOW] * 4
    short = slots.join()
    long.give(HOST, connected=True)
    assert (long.take(HOST), short.take(HOST)) == (LATER, NOW)
    long.give(HOST, connected=True)
    assert (long.take(HOST), short.take(HOST)) == (LATER, NOW)


def test_leaving_gives_back_what_was_held():
    slots = Slots(2, 2)
    leaving, staying = slots.join(), slots.join()
    leaving.take(HOST)
    leaving.leave()
    assert [staying.take(HOST) for _ in range(2)] == [NOW, NOW]


def test_fifty_failed_connects_in_a_row_park_a_host_for_a_minute(clock):
    parking = Parking(clock)
    fail(parking, 49)
    assert parking.admission(HOST) is NOW
    fail(parking, 1)
    assert (parking.admission(HOST), parking.admission(OTHER)) == (LATER, NOW)
    clock.now += 60
    assert parking.admission(HOST) is NOW


def test_one_connect_between_them_breaks_the_row(clock):
    parking = Parking(clock)
    fail(parking, 49)
    parking.record(HOST, connected=True)
    fail(parking, 49)
    assert parking.admission(HOST) is NOW


def test_a_host_parked_twice_is_given_up_for_ten_minutes(clock):
    parking = Parking(clock)
    fail(parking, 50)
    clock.now += 60
    fail(parking, 50)
    assert parking.admission(HOST) is NEVER
    clock.now += 600
    assert parking.admission(HOST) is NOW


def test_failures_of_what_was_under_way_do_not_park_a_host_again(clock):
    parking = Parking(clock)
    fail(parking, 256)
    clock.now += 60
    fail(parking, 49)
    assert parking.admission(HOST) is NOW


def test_the_record_of_failing_hosts_is_bounded(clock):
    parking = Parking(clock)
    for number in range(10_001):
        fail(parking, 50 if number == 0 else 1, (f"h{number}.test", 80))
    assert parking.admission(("h0.test", 80)) is NOW


def test_a_parked_host_makes_the_patient_wait_and_turns_the_others_away(clock):
    slots = Slots(100, 100, Parking(clock))
    patient, impatient = slots.join(), slots.join(patient=False)
    for _ in range(50):
        patient.take(HOST)
        patient.give(HOST, connected=False)
    assert (patient.take(HOST), impatient.take(HOST)) == (LATER, NEVER)
    assert impatient.take(OTHER) is NOW


def test_a_request_that_was_not_tried_says_nothing_of_its_host(clock):
    share = Slots(100, 100, Parking(clock)).join()
    for connected in [False] * 49 + [None] + [False]:
        share.take(HOST)
        share.give(HOST, connected=connected)
    assert share.take(HOST) is LATER
