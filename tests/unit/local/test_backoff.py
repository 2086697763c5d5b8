from datalab.local.backoff import Backoff


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def delays_of_crashes(backoff, clock, *, lived_s, crashes):
    delays = []
    for _ in range(crashes):
        backoff.started()
        clock.now_s += lived_s
        delays.append(backoff.delay_s())
        clock.now_s += delays[-1]
    return delays


def test_delays_double_up_to_ten_seconds():
    clock = Clock()
    delays = delays_of_crashes(Backoff(clock=clock), clock, lived_s=1.0, crashes=8)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_long_life_is_forgiven():
    clock = Clock()
    backoff = Backoff(clock=clock)
    delays_of_crashes(backoff, clock, lived_s=29.9, crashes=5)
    assert delays_of_crashes(backoff, clock, lived_s=30.0, crashes=1) == [0.2]
    assert delays_of_crashes(backoff, clock, lived_s=1.0, crashes=2) == [0.4, 0.8]
