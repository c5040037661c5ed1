//! Sizes, rates and durations as people write them, the same in the clients of every
//! language.
//!
//! A bare number is bytes; K M G T P and KiB MiB … are powers of 1024, kB KB MB …
//! powers of 1000. Small m, and b for bits, are refused: they have been read both ways
//! too often.

use std::time::Duration;

use crate::config::bad;
use crate::error::Result;

const LETTERS: &str = "KMGTPE";
const SHOWN: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
const MAX_SIZE: u128 = i64::MAX as u128;
// What a Duration of protobuf can hold, about 10,000 years.
const MAX_SECONDS: u128 = 315_576_000_000;
const NANOS: u128 = 1_000_000_000;
// More digits than any number that is meant.
const LONGEST: usize = 64;

/// Bytes.
pub fn parse_size(text: &str) -> Result<i64> {
    let not_a_size = || bad(format!("not a size: {text:?} (write 512, 64K, 1.5GiB or 200MB)"));
    let (number, rest) = split_number(text.trim()).ok_or_else(not_a_size)?;
    let suffix = rest.trim_start_matches(|sign: char| sign.is_ascii_whitespace() || sign == '\x0b');
    if text.len() > LONGEST || !suffix.bytes().all(|sign| sign.is_ascii_alphabetic()) {
        return Err(not_a_size());
    }
    let unit = factor(suffix).ok_or_else(|| {
        bad(format!(
            "unknown unit {suffix:?} in {text:?} (K M G T or KiB MiB … = 1024, kB MB … = 1000)"
        ))
    })?;
    let (size, is_whole) = scaled(number, unit);
    if !is_whole {
        return Err(bad(format!("{text:?} is not a whole number of bytes")));
    }
    if size > MAX_SIZE {
        return Err(bad(format!("{text:?} is more than 2^63-1 bytes")));
    }
    i64::try_from(size).map_err(bad)
}

/// Bytes a second: a size, with or without "/s".
pub fn parse_rate(text: &str) -> Result<i64> {
    let text = text.trim();
    match parse_size(text.strip_suffix("/s").unwrap_or(text))? {
        0 => Err(bad("a rate of 0 moves nothing; leave it out for no limit")),
        rate => Ok(rate),
    }
}

/// A bare number of seconds, or 90s, 1h30m, 250ms. To the nanosecond.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let not_one = || bad(format!("not a duration: {text:?} (write 90, 90s, 1h30m or 250ms)"));
    if text.len() > LONGEST {
        return Err(not_one());
    }
    let mut rest = text.trim();
    let (mut total, mut is_exact, mut seen) = (0_u128, true, Vec::new());
    loop {
        let (number, after) = split_number(rest).ok_or_else(not_one)?;
        let end = after.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = if after.is_empty() && seen.is_empty() { "s" } else { &after[..end] };
        let nanos = span_of(unit).ok_or_else(not_one)?;
        if seen.contains(&unit) {
            return Err(bad(format!("{text:?} names a unit twice")));
        }
        seen.push(unit);
        let (part, is_whole) = scaled(number, nanos);
        total = total.saturating_add(part);
        is_exact &= is_whole;
        rest = &after[end..];
        if rest.is_empty() {
            break;
        }
    }
    if total > MAX_SECONDS * NANOS || (total == MAX_SECONDS * NANOS && !is_exact) {
        return Err(bad(format!("{text:?} is more than 10,000 years")));
    }
    let seconds = u64::try_from(total / NANOS).map_err(bad)?;
    Ok(Duration::new(seconds, u32::try_from(total % NANOS).map_err(bad)?))
}

/// A size for people: 1.5 GiB. Exact below 1 KiB.
pub fn format_size(size: f64) -> String {
    if size < 1024.0 {
        return format!("{} B", size.trunc());
    }
    let (mut size, mut power) = (size, 0);
    // What would be shown as 1024 is 1 of the next unit.
    while size >= 1023.5 && power < SHOWN.len() - 1 {
        size /= 1024.0;
        power += 1;
    }
    let digits = if size >= 99.95 {
        0
    } else if size >= 9.995 {
        1
    } else {
        2
    };
    let mut shown = format!("{size:.digits$}");
    if shown.contains('.') {
        shown.truncate(shown.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{shown} {}iB", SHOWN[power])
}

/// A rate for people: 1.5 GiB/s.
pub fn format_rate(rate: f64) -> String {
    format!("{}/s", format_size(rate))
}

/// A duration for people, two units at most: 1h 5m, 42s, 1.5s, 250ms.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if 0.0 < seconds && seconds < 0.95 {
        return format!("{}ms", (seconds * 1000.0).round_ties_even().max(1.0));
    }
    if 0.0 < seconds && seconds < 9.95 {
        let shown = format!("{seconds:.1}");
        return format!("{}s", shown.strip_suffix(".0").unwrap_or(&shown));
    }
    let mut left = seconds.round_ties_even() as u64;
    let mut parts = Vec::new();
    for (unit, span) in [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)] {
        if left >= span {
            parts.push(format!("{}{unit}", left / span));
        }
        left %= span;
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// What a suffix multiplies with.
fn factor(suffix: &str) -> Option<u64> {
    let mut signs = suffix.chars();
    let letter = match (signs.next(), signs.as_str()) {
        (None, _) | (Some('B'), "") => return Some(1),
        (Some('k'), _) => 'K',
        (Some(letter), _) => letter,
    };
    let power = u32::try_from(LETTERS.find(letter)?).ok()? + 1;
    match signs.as_str() {
        "" | "iB" => Some(1024_u64.pow(power)),
        "B" => Some(1000_u64.pow(power)),
        _ => None,
    }
}

/// Nanoseconds of a unit of time.
fn span_of(unit: &str) -> Option<u64> {
    let seconds = match unit {
        "ms" => return Some(1_000_000),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    Some(seconds * 1_000_000_000)
}

/// `12.5` and what follows it.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    let end = if fraction > 0 { whole + 1 + fraction } else { whole };
    (whole > 0).then(|| text.split_at(end))
}

/// A decimal number times a unit, rounded down, and whether it was whole. As on paper,
/// from the last digit on: no number of digits is too many.
fn scaled(number: &str, unit: u64) -> (u128, bool) {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (mut carry, mut is_whole) = (0_u128, true);
    for digit in fraction.bytes().rev() {
        carry += u128::from(digit - b'0') * u128::from(unit);
        is_whole &= carry.is_multiple_of(10);
        carry /= 10;
    }
    let whole = whole.parse::<u128>().unwrap_or(u128::MAX);
    (whole.saturating_mul(u128::from(unit)).saturating_add(carry), is_whole)
}
