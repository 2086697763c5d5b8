from itertools import pairwise

from session_api.operations.output_ids import output_id, output_of

#: What a number of JavaScript holds exactly.
_MAX_SAFE_INTEGER = 2**53 - 1


def test_every_output_has_a_number_of_its_own_beyond_those_of_frames():
    numbers = [output_id(operation, number) for operation in (1, 2, 3, 900_000_000) for number in (1, 2, 1000)]
    assert numbers[0] > 10**12
    assert all(earlier < later for earlier, later in pairwise(numbers))
    assert numbers[-1] <= _MAX_SAFE_INTEGER


def test_a_number_tells_whose_output_it_is():
    assert output_of(output_id(900_000_000, 17)) == (900_000_000, 17)
    assert output_of(10**12 - 1) is None
