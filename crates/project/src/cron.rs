//! Cron expressions of [cron triggers](https://developers.cloudflare.com/workers/configuration/cron-triggers/), in UTC.
//!
//! The dialect is upstream's (that of its parser, `saffron`): five fields, of which the last counts weekdays from 1 for
//! Sunday; names of months and weekdays; lists, ranges (which may go over the end: `nov-feb`), steps, `L`, `W` and `#`.
//! An expression that names both days of the month and weekdays means the days of either kind. `tests/project/cron.rs`
//! has what saffron answers, and where it is not followed.

mod parse;

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

pub use parse::CronError;

/// The days repeat after so many years.
const CALENDAR_CYCLE: i16 = 400;

/// A cron expression.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    /// Bit 0 is minute 0.
    minutes: u64,
    /// Bit 0 is hour 0.
    hours: u32,
    days: Days,
    /// Bit 1 is January.
    months: u16,
    weekdays: Weekdays,
}

/// The days of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    /// `*`
    Any,
    /// Bit 1 is the first.
    Set(u32),
    /// So many days before the last: `L` is 0.
    Last(u8),
    /// The weekday next to that, in the same month.
    LastWorkday(u8),
    /// The weekday next to this day, in the same month.
    Workday(u8),
}

/// The days of a week; 1 is Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weekdays {
    /// `*`
    Any,
    /// Bit 1 is Sunday.
    Set(u8),
    /// The last of its kind in the month.
    Last(u8),
    /// The nth of its kind in the month.
    Nth(u8, u8),
}

impl Cron {
    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first moment after `after` that the expression means; `None` if it means none in the next 400 years, after
    /// which the calendar repeats.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.checked_add(1.minute()).ok()?;
        let start = start.to_zoned(TimeZone::UTC).datetime();
        let last_year = start.year().saturating_add(CALENDAR_CYCLE);
        let mut date = start.date();
        let mut from = start.time();
        while date.year() <= last_year {
            if self.months & (1 << date.month()) == 0 {
                date = date.last_of_month().tomorrow().ok()?;
            } else if let Some(time) = self.matches(date).then(|| self.time_from(from)).flatten() {
                let moment = DateTime::from_parts(date, time).to_zoned(TimeZone::UTC);
                return moment.ok().map(|moment| moment.timestamp());
            } else {
                date = date.tomorrow().ok()?;
            }
            from = Time::MIN;
        }
        None
    }

    /// Whether it means a day, in a month that it means.
    fn matches(&self, date: Date) -> bool {
        match (self.days, self.weekdays) {
            (Days::Any, weekdays) => weekdays.contain(date),
            (days, Weekdays::Any) => days.contain(date),
            (days, weekdays) => days.contain(date) || weekdays.contain(date),
        }
    }

    /// The first minute of a day from `from` on.
    fn time_from(&self, from: Time) -> Option<Time> {
        (from.hour()..24)
            .filter(|hour| self.hours & (1 << hour) != 0)
            .find_map(|hour| {
                let first = if hour == from.hour() { from.minute() } else { 0 };
                let minute = (first..60).find(|minute| self.minutes & (1 << minute) != 0)?;
                Time::new(hour, minute, 0, 0).ok()
            })
    }
}

impl Days {
    fn contain(self, date: Date) -> bool {
        let length = date.days_in_month();
        let before_last = |days: u8| length.checked_sub(days.cast_signed()).filter(|day| *day > 0);
        match self {
            Self::Any => true,
            Self::Set(days) => days & (1 << date.day()) != 0,
            Self::Last(before) => Some(date.day()) == before_last(before),
            Self::LastWorkday(before) => before_last(before).is_some_and(|day| is_workday_next_to(date, day)),
            Self::Workday(day) => is_workday_next_to(date, day.cast_signed()),
        }
    }
}

/// Whether a date is the weekday (Monday to Friday) next to a day of its month, and in that month. A month that lacks the
/// day has none.
fn is_workday_next_to(date: Date, day: i8) -> bool {
    let Ok(meant) = Date::new(date.year(), date.month(), day) else {
        return false;
    };
    let day = match meant.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == meant.days_in_month() => day - 2,
        Weekday::Sunday => day + 1,
        _ => day,
    };
    date.day() == day
}

impl Weekdays {
    fn contain(self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_one_offset().cast_unsigned();
        match self {
            Self::Any => true,
            Self::Set(days) => days & (1 << weekday) != 0,
            Self::Last(day) => day == weekday && date.day() + 7 > date.days_in_month(),
            Self::Nth(day, nth) => day == weekday && (date.day() - 1) / 7 + 1 == nth.cast_signed(),
        }
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        parse::parse(text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.text)
    }
}
