"""Schedules of timers.

Source: docs/protocol/functions-host-timers.md#schedule-expressions,
    docs/protocol/functions-host-timers.md#time-zones,
    docs/protocol/functions-host-timers.md#examples
"""

from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from durable_host import timestamp
from durable_host.triggers.timer.ncrontab import InvalidExpression, parse_cron
from durable_host.triggers.timer.occurrences import next_occurrence
from durable_host.triggers.timer.schedule import InvalidSchedule, forecast, parse_schedule
from durable_host.triggers.timer.zone import UTC_ZONE, Zone, zone_named, zone_of

WEDNESDAY = datetime(2024, 5, 1, 10, 20, 30)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */5 * * * *", "2024-05-01 10:25:00"),
        ("*/5 * * * *", "2024-05-01 10:25:00"),
        ("*/10 * * * * *", "2024-05-01 10:20:40"),
        ("30 10/20 * * * *", "2024-05-01 10:30:30"),
        ("0 0 9-17/2 * * 1-5", "2024-05-01 11:00:00"),
        ("0 20 10 * * *", "2024-05-02 10:20:00"),
        ("0 0 0 31 * *", "2024-05-31 00:00:00"),
        ("0 0 0 13 * Fri", "2024-09-13 00:00:00"),
        ("0 0 12 1 J *", "2025-01-01 12:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 0 29 2 1", "2044-02-29 00:00:00"),
        ("0 0 20-18 * * *", "2024-05-01 18:00:00"),
        ("0 0 0 * * Th", "2024-05-02 00:00:00"),
        ("0 0 0 * mAy-JUNE sat,SUN", "2024-05-04 00:00:00"),
        ("0 0 */0 * * *", "2024-05-01 11:00:00"),
        ("0 0 */-3 * * *", "2024-05-01 11:00:00"),
        ("30 20 10 1 5 3", "2030-05-01 10:20:30"),
        ("  0   30 10 *  * * ", "2024-05-01 10:30:00"),
    ],
)  # fmt: skip
def test_the_next_occurrence_is_the_one_of_the_reference(expression: str, expected: str) -> None:
    assert parse_cron(expression).next_after(WEDNESDAY) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "expression",
    ["0 0 0 * * 7", "0 0 0 ? * *", "0 0 0 L * *", "0 0 0 * * 1#2", "@daily", "", "0", "60 * * * * *", "* * * * * * *",
     "0 0 24 * * *", "0 0 0 0 * *", "0 0 0 32 * *", "0 0 0 * 13 *", "0 0 0 * 0 *", "0 0 0 * Foo *", "0 0 0 * * Mo n",
     "0,, * * * * *", ",0 * * * * *", "1- * * * * *", "0 */x * * * *", "0 -5 * * * *", "0 0 0 15W * *", "ä * * * * *",
     "0 0 0 * * \u0663"],
)  # fmt: skip
def test_what_is_not_an_expression_is_refused(expression: str) -> None:
    with pytest.raises(InvalidExpression):
        parse_cron(expression)


def test_a_day_that_never_comes_has_no_occurrence() -> None:
    assert parse_cron("0 0 0 30 2 *").next_after(WEDNESDAY) is None


def test_the_expanded_form_lists_values_runs_and_names() -> None:
    assert parse_cron("0 */5 * * * *").expanded == "0 0,5,10,15,20,25,30,35,40,45,50,55 * * * *"
    assert parse_cron("0 30 9-17 1,2,3,15 J Mon-Fri").expanded == "0 30 9-17 1-3,15 January Monday-Friday"


def field(least: int, most: int) -> st.SearchStrategy[str]:
    value = st.integers(least, most)
    low_high = st.tuples(value, value).map(sorted)
    part = st.one_of(
        value.map(str),
        low_high.filter(lambda ends: ends[0] < ends[1]).map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(low_high.filter(lambda ends: ends[0] < ends[1]), st.integers(1, 9)).map(
            lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"
        ),
        st.integers(1, 20).map(lambda step: f"*/{step}" if step <= most else "*"),
    )
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(microsecond=0))


@given(second=field(0, 59), minute=field(0, 59), hour=field(0, 23), month=field(1, 12), day=field(1, 28),
       weekday=field(0, 6), by_weekday=st.booleans(), moment=MOMENTS)  # fmt: skip
def test_occurrences_agree_with_croniter_where_the_grammars_do(
    second: str, minute: str, hour: str, month: str, day: str, weekday: str, by_weekday: bool, moment: datetime
) -> None:
    day, weekday = ("*", weekday) if by_weekday else (day, "*")
    cron = parse_cron(f"{second} {minute} {hour} {day} {month} {weekday}")
    oracle = croniter(f"{minute} {hour} {day} {month} {weekday} {second}", moment, ret_type=datetime)
    for _ in range(3):
        moment_found = cron.next_after(moment)
        assert moment_found == oracle.get_next()
        assert moment_found is not None
        moment = moment_found


@given(day=st.integers(1, 31), weekday=st.integers(0, 6), moment=MOMENTS)
def test_both_day_fields_must_fit(day: int, weekday: int, moment: datetime) -> None:
    found = parse_cron(f"0 0 0 {day} * {weekday}").next_after(moment)
    candidate = datetime(moment.year, moment.month, moment.day)
    while candidate <= moment or candidate.day != day or candidate.isoweekday() % 7 != weekday:
        candidate += timedelta(days=1)
    assert found == candidate


def ticks(text: str) -> int:
    return timestamp.parse(text)


def occurrences(expression: str, zone: Zone, after: str, count: int) -> list[str]:
    moment: int | None = ticks(after)
    found: list[str] = []
    for _ in range(count):
        assert moment is not None
        moment = next_occurrence(parse_cron(expression), zone, moment)
        assert moment is not None
        found.append(zone.local(moment).strftime("%d %H:%M%z"))
    return found


NEW_YORK = zone_named("America/New_York")


def test_a_point_in_time_fires_once_in_the_repeated_hour() -> None:
    found = occurrences("0 30 1 * * *", NEW_YORK, "2024-11-02T12:00:00Z", 2)
    assert found == ["03 01:30-0400", "04 01:30-0500"]


def test_a_point_in_time_is_over_in_the_second_pass() -> None:
    assert occurrences("0 30 1 * * *", NEW_YORK, "2024-11-03T06:10:00Z", 1) == ["04 01:30-0500"]


def test_an_interval_fires_in_both_passes_of_the_repeated_hour() -> None:
    found = occurrences("0 */30 * * * *", NEW_YORK, "2024-11-03T04:50:00Z", 5)
    assert found == ["03 01:00-0400", "03 01:30-0400", "03 01:00-0500", "03 01:30-0500", "03 02:00-0500"]


def test_a_range_of_hours_is_an_interval() -> None:
    found = occurrences("0 30 1-2 * * *", NEW_YORK, "2024-11-03T04:50:00Z", 3)
    assert found == ["03 01:30-0400", "03 01:30-0500", "03 02:30-0500"]


def test_a_time_that_does_not_exist_moves_by_the_gap() -> None:
    assert occurrences("0 30 2 * * *", NEW_YORK, "2024-03-09T12:00:00Z", 2) == ["10 03:30-0400", "11 02:30-0400"]


def test_a_moved_time_still_comes_for_one_who_starts_after_the_gap() -> None:
    assert occurrences("0 30 2 * * *", NEW_YORK, "2024-03-10T07:10:00Z", 1) == ["10 03:30-0400"]


def test_an_interval_continues_through_the_gap_without_firing_twice() -> None:
    found = occurrences("0 */30 * * * *", NEW_YORK, "2024-03-10T06:20:00Z", 4)
    assert found == ["10 01:30-0500", "10 03:00-0400", "10 03:30-0400", "10 04:00-0400"]


def test_half_hour_changes_are_known() -> None:
    found = occurrences("0 15,45 1 * * *", zone_named("Australia/Lord_Howe"), "2024-04-06T10:00:00Z", 3)
    assert found == ["07 01:15+1100", "07 01:45+1100", "08 01:15+1030"]


@given(
    expression=st.sampled_from(["0 */20 * * * *", "0 30 2 * * *", "0 0 0 * * *", "0 15 1-3 * * *", "7 7 */5 * * *"]),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"]),
    moment=st.datetimes(datetime(2023, 1, 1), datetime(2026, 1, 1)),
)
def test_occurrences_in_a_zone_rise_strictly_and_fit_the_wall_clock(
    expression: str, zone: str, moment: datetime
) -> None:
    cron, known = parse_cron(expression), zone_named(zone)
    after = timestamp.from_datetime(moment)
    for _ in range(4):
        found = next_occurrence(cron, known, after)
        assert found is not None
        assert found > after
        wall = known.local(found).replace(tzinfo=None)
        fits = cron.next_after(wall - timedelta(seconds=1)) == wall
        gap = timedelta(seconds=max(0, known.offset_at(_unix(found)) - known.offset_at(_unix(found) - 3 * 3600)))
        assert fits or cron.next_after(wall - gap - timedelta(seconds=1)) == wall - gap
        after = found


def _unix(found: int) -> int:
    return (found - timestamp.UNIX_EPOCH_TICKS) // timestamp.TICKS_PER_SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:30", 30), ("1.00:00:00", 86400), ("00:05:00", 300), ("2", 172800), ("00:00:00.5000000", 0.5)],
)
def test_a_time_span_fires_after_the_last_run(text: str, seconds: float) -> None:
    schedule = parse_schedule(text, UTC_ZONE)
    now = ticks("2024-05-01T10:20:30Z")
    assert schedule.next_after(now) == now + round(seconds * timestamp.TICKS_PER_SECOND)
    assert not schedule.adjusts_for_dst


@pytest.mark.parametrize("text", ["0 0 0 * * 7", "", "00:00:00", "-00:05:00", "24:00:00", "every day", "0"])
def test_what_is_not_a_schedule_is_refused_in_the_words_of_the_reference(text: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse_schedule(text, UTC_ZONE)
    expected = f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan string."
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("0 */5 * * * *", True), ("*/10 * * * * *", False), ("* * * * * *", False), ("0 * * * * *", True),
     ("*/10 * 9 * * *", True), ("00:00:59", False), ("00:01:00", True)],
)  # fmt: skip
def test_what_fires_more_than_once_a_minute_has_no_monitor(text: str, allowed: bool) -> None:
    assert parse_schedule(text, UTC_ZONE).allows_monitor is allowed


def test_the_next_five_occurrences_are_reported_in_utc() -> None:
    text = forecast(parse_schedule("0 */5 * * * *", UTC_ZONE), UTC_ZONE, ticks("2024-05-01T10:20:30Z"), "tick")
    lines = text.splitlines()
    assert lines[0] == (
        "The next 5 occurrences of the 'tick' schedule (Cron: '0 0,5,10,15,20,25,30,35,40,45,50,55 * * * *') will be:"
    )
    assert lines[1:] == [f"05/01/2024 10:{minute}:00Z" for minute in (25, 30, 35, 40, 45)]


def test_the_next_five_occurrences_are_reported_in_local_time_and_utc() -> None:
    text = forecast(parse_schedule("00:00:30", NEW_YORK), NEW_YORK, ticks("2024-05-01T10:20:30Z"), "tick")
    lines = text.splitlines()
    assert lines[0] == "The next 5 occurrences of the 'tick' schedule (Constant: 00:00:30) will be:"
    assert lines[1] == "05/01/2024 06:21:00-04:00 (05/01/2024 10:21:00Z)"
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("settings", "offset"),
    [
        ({"WEBSITE_TIME_ZONE": "W. Europe Standard Time"}, 7200),
        ({"WEBSITE_TIME_ZONE": "Asia/Tokyo", "TZ": "Europe/Berlin"}, 32400),
        ({"TZ": "America/New_York"}, -14400),
        ({"TZ": ":UTC"}, 0),
    ],
)
def test_the_zone_comes_from_the_settings(settings: dict[str, str], offset: int) -> None:
    summer = int(datetime(2024, 7, 1, tzinfo=UTC).timestamp())
    assert zone_of(settings).offset_at(summer) == offset


def test_an_unknown_zone_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert zone_of({"WEBSITE_TIME_ZONE": "Middle Earth/Shire"}).name == "local"
    assert "Middle Earth/Shire" in caplog.text


def test_local_times_are_written_with_offset_and_seven_digits() -> None:
    moment = ticks("2024-05-01T10:20:00.0012345Z")
    assert UTC_ZONE.text(moment) == "2024-05-01T10:20:00.0012345+00:00"
    assert NEW_YORK.text(moment) == "2024-05-01T06:20:00.0012345-04:00"
    assert NEW_YORK.round_trip(ticks("2024-05-01T10:20:00Z")) == "2024-05-01T06:20:00.0000000-04:00"
    assert NEW_YORK.text(0) == "0001-01-01T00:00:00+00:00"
