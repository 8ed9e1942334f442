from hypothesis import given
from hypothesis import strategies as st
from merc_audio.windows import windows


@given(st.integers(0, 500), st.integers(1, 60), st.data())
def test_every_sample_is_in_one_window_and_none_is_too_short(count, size, data):
    least = data.draw(st.integers(1, size))
    places = windows(count, size, least)
    assert [sample for begin, end in places for sample in range(begin, end)] == list(range(count))
    lengths = [end - begin for begin, end in places]
    assert all(length == size for length in lengths[:-1])
    assert all(length >= min(least, count) for length in lengths)
    assert all(length < size + least for length in lengths)


def test_sound_of_whole_windows():
    assert windows(60, 20, 20) == [(0, 20), (20, 40), (40, 60)]
