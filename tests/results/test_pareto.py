import numpy as np
import pytest

from results.pareto import hypervolume, hypervolume_over_time, knee, levels, order, reference_point

NAN = float("nan")


def rows(*values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, float)


def test_what_nothing_dominates_is_level_0_and_equal_rows_share_a_level():
    values = rows((1, 4), (2, 2), (4, 1), (2, 3), (3, 3), (2, 2))
    assert levels(values).tolist() == [0, 0, 0, 1, 2, 0]


def test_with_one_objective_the_level_is_the_place_of_the_number():
    assert levels(rows((3,), (1,), (2,), (1,))).tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize("missing", [NAN, float("inf")])
def test_rows_that_are_not_finite_are_left_out(missing):
    values = rows((1, missing), (2, 2), (missing, 0))
    assert levels(values).tolist() == [-1, 0, -1]
    assert knee(values) == 1
    assert order(values).tolist() == [1]
    assert hypervolume(values, np.array([3.0, 4.0])) == 2


def test_the_knee_is_the_farthest_below_the_line_through_the_ends():
    # Scaled to 0..1 the rows between the ends are (.2, .6), (.3, .3) and (.7, .1): 1 - x - y is .2, .4, .2.
    values = rows((0, 100), (2, 60), (3, 30), (7, 10), (10, 0), (9, 90))
    assert knee(values) == 2


def test_the_knee_does_not_depend_on_the_units():
    values = rows((0, 100), (2, 60), (3, 30), (7, 10), (10, 0))
    assert knee(values * [1000, 1] + [5, 7]) == 2


def test_with_three_objectives_the_plane_goes_through_the_ends_rather_than_the_corners():
    # Through (0, .5, 1), (1, 0, .25) and (.5, 1, 0) goes 14 x + 10 y + 12 z = 17. The last row reaches 11.4 and the
    # one before it 11.88, though the sum of the last is the higher one, 1 against .98.
    values = rows((0, 0.5, 1), (1, 0, 0.25), (0.5, 1, 0), (0.36, 0.3, 0.32), (0.2, 0.5, 0.3))
    assert knee(values) == 4
    # Here one row is the lowest of two objectives: the ends span no plane, and the lowest sum counts.
    assert knee(rows((0, 0, 1), (1, 1, 0), (0.3, 0.3, 0.3), (0.2, 0.5, 0.3))) == 2


def test_of_two_trade_offs_the_knee_is_the_one_nearer_to_the_best_of_everything():
    # Over the range of all rows, 0..10 and 0..10, the sums are .5 and .8.
    assert knee(rows((0, 8), (4, 1), (10, 10), (9, 0.5))) == 1
    assert knee(rows((0, 8), (5, 0), (10, 10))) == 1
    assert knee(rows((3, 3), (1, 1), (2, 2))) == 1
    assert knee(rows((2, 2), (1, 1), (1, 1))) == 1


def test_where_no_row_is_finite_there_is_no_knee():
    with pytest.raises(ValueError, match="no row of 1 is finite"):
        knee(rows((NAN, 1)))


def test_the_order_is_by_level_with_the_knee_first_and_balanced_before_one_sided():
    values = rows((0, 10), (10, 0), (3, 3), (5, 4), (4, 9), (1, 7))
    # Level 0 is rows 0, 5, 2, 1, with sums 1, .8, .6, 1; level 1 is rows 3, 4 with sums .9, 1.3.
    assert order(values).tolist() == [2, 5, 0, 1, 3, 4]
    assert order(rows((2,), (1,), (2,), (NAN,))).tolist() == [1, 0, 2]
    assert order(np.empty((0, 2))).tolist() == []


def test_the_hypervolume_is_the_area_below_the_reference():
    # Under (4, 4): 3 x 1 and 2 x 1 and 1 x 1, one upon the other.
    values = rows((1, 3), (2, 2), (3, 1))
    assert hypervolume(values, np.array([4.0, 4.0])) == 6
    assert hypervolume(rows((1, 1, 1)), np.array([3.0, 3.0, 2.0])) == 4
    assert hypervolume(rows((1,), (2,)), np.array([5.0])) == 4


def test_what_is_no_better_than_the_reference_somewhere_adds_nothing():
    assert hypervolume(rows((1, 4), (9, 0)), np.array([4.0, 4.0])) == 0
    assert hypervolume(np.empty((0, 2)), np.array([4.0, 4.0])) == 0


def test_the_hypervolume_over_time_counts_what_was_known_by_then():
    values = rows((3, 1), (NAN, 0), (3, 2), (9, 0), (1, 3), (-np.inf, 0), (2, 2), (1, 1))
    over_time = hypervolume_over_time(values, np.array([4.0, 4.0]))
    assert over_time.tolist() == [3, 3, 3, 3, 5, 5, 6, 9]


def test_the_reference_is_what_is_known_or_else_the_worst_row():
    values = rows((1, 9), (2, 3), (NAN, 99))
    assert reference_point(values, np.array([5.0, NAN])).tolist() == [5, 9]
