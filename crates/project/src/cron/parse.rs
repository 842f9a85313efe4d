//! From the text of a cron expression to the sets of its five fields.

use std::ops::RangeInclusive;

use super::{Cron, Days, Weekdays};

/// What is wrong with a cron expression, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(String);

/// A field: its name in messages and what it may hold.
struct Field {
    name: &'static str,
    values: RangeInclusive<u8>,
    /// Names of values, from the first value on.
    names: &'static [&'static str],
}

const MINUTE: Field = Field {
    name: "minute",
    values: 0..=59,
    names: &[],
};
const HOUR: Field = Field {
    name: "hour",
    values: 0..=23,
    names: &[],
};
const DAY: Field = Field {
    name: "day of the month",
    values: 1..=31,
    names: &[],
};
const MONTH: Field = Field {
    name: "month",
    values: 1..=12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: Field = Field {
    name: "day of the week",
    values: 1..=7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The day that `L` alone is among the weekdays.
const SATURDAY: u8 = 7;

pub(super) fn parse(text: &str) -> Result<Cron, CronError> {
    if text.trim() != text {
        return Err(CronError("it begins or ends with white space".to_owned()));
    }
    let fields: Vec<&str> = text
        .split([' ', '\t'])
        .filter(|field| !field.is_empty())
        .collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(CronError(format!(
            "it has {} fields instead of five: minute, hour, day of the month, month, day of the week",
            fields.len()
        )));
    };
    Ok(Cron {
        minutes: MINUTE.set(minute)?,
        // The values of these fields are below 32, 32, 16 and 8.
        hours: HOUR.set(hour)? as u32,
        days: days(day)?,
        months: MONTH.set(month)? as u16,
        weekdays: weekdays(weekday)?,
        text: text.to_owned(),
    })
}

fn days(text: &str) -> Result<Days, CronError> {
    if text == "*" {
        return Ok(Days::Any);
    }
    let (rest, workday) = match text.strip_suffix('W') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let last = |before| {
        if workday {
            Days::LastWorkday(before)
        } else {
            Days::Last(before)
        }
    };
    match rest.strip_prefix('L') {
        Some("") => return Ok(last(0)),
        Some(before) => {
            let before = before.strip_prefix('-').and_then(number);
            return match before.filter(|before| (1..=30).contains(before)) {
                Some(before) => Ok(last(before)),
                None => Err(DAY.error(
                    text,
                    "`L` stands alone, or is followed by `W` or by 1 to 30 days before the last: `L-3`",
                )),
            };
        }
        None if workday => {}
        None if text.contains(['L', 'W']) => {
            return Err(DAY.error(text, "`L` and `W` can't be in a list or a range"));
        }
        None => return Ok(Days::Set(DAY.set(text)? as u32)),
    }
    match number(rest).filter(|day| DAY.values.contains(day)) {
        Some(day) => Ok(Days::Workday(day)),
        None => Err(DAY.error(text, "`W` follows one day from 1 to 31, or `L`")),
    }
}

fn weekdays(text: &str) -> Result<Weekdays, CronError> {
    if text == "*" {
        return Ok(Weekdays::Any);
    }
    if let Some(day) = text.strip_suffix('L') {
        return match day {
            "" => Ok(Weekdays::Set(1 << SATURDAY)),
            day => match WEEKDAY.value(day) {
                Some(day) => Ok(Weekdays::Last(day)),
                None => Err(WEEKDAY.error(text, "`L` follows one weekday, or stands alone")),
            },
        };
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth = number(nth).filter(|nth| (1..=5).contains(nth));
        return match (WEEKDAY.value(day), nth) {
            (Some(day), Some(nth)) => Ok(Weekdays::Nth(day, nth)),
            _ => Err(WEEKDAY.error(text, "`#` stands between one weekday and a number from 1 to 5")),
        };
    }
    Ok(Weekdays::Set(WEEKDAY.set(text)? as u8))
}

impl Field {
    /// A list as a set of bits; `*` is all.
    fn set(&self, text: &str) -> Result<u64, CronError> {
        let mut set = 0;
        if text != "*" && text.split(',').any(|item| item == "*") {
            return Err(self.error(text, "`*` means every value, so it can't be in a list"));
        }
        for item in text.split(',') {
            set |= self.item(text, item)?;
        }
        Ok(set)
    }

    /// `*`, a value, a range or either with a step, as a set of bits.
    fn item(&self, whole: &str, item: &str) -> Result<u64, CronError> {
        let (&least, &most) = (self.values.start(), self.values.end());
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        // As upstream: the longest step leads from the first value to the last.
        let longest = most - least;
        let step = match step.map(|text| number(text).filter(|step| (1..=longest).contains(step))) {
            None => None,
            Some(Some(step)) => Some(step),
            Some(None) => {
                return Err(self.error(whole, &format!("a step is a number from 1 to {longest}")));
            }
        };
        let value = |text: &str| self.value(text).ok_or_else(|| self.unknown(whole, text));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((first, last)) => (value(first)?, value(last)?),
            // A step leads from its first value to the last one of all.
            None if step.is_some() => (value(range)?, most),
            None => {
                let value = value(range)?;
                (value, value)
            }
        };
        let bits = |values: &mut dyn Iterator<Item = u8>| {
            values
                .step_by(step.unwrap_or(1).into())
                .fold(0, |bits: u64, value| bits | 1 << value)
        };
        Ok(if first <= last {
            bits(&mut (first..=last))
        } else {
            bits(&mut (first..=most).chain(least..=last))
        })
    }

    /// A number or a name.
    fn value(&self, text: &str) -> Option<u8> {
        match number(text) {
            Some(value) => Some(value).filter(|value| self.values.contains(value)),
            None => {
                let index = self
                    .names
                    .iter()
                    .position(|name| name.eq_ignore_ascii_case(text))?;
                // There are at most twelve names.
                Some(self.values.start() + index as u8)
            }
        }
    }

    fn unknown(&self, whole: &str, text: &str) -> CronError {
        let (least, most) = (self.values.start(), self.values.end());
        let names = match self.names {
            [first, .., last] => format!(", or a name from {first} to {last}"),
            _ => String::new(),
        };
        self.error(
            whole,
            &format!("{text:?} is not a number from {least} to {most}{names}"),
        )
    }

    fn error(&self, text: &str, why: &str) -> CronError {
        CronError(format!("its {} is {text:?}: {why}", self.name))
    }
}

/// Digits, as a number that fits.
fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
