//! The vectors that hold for the clients of every language.

use std::time::Duration;

use serde_json::Value;

use crate::units::{
    format_duration, format_rate, format_size, parse_duration, parse_rate, parse_size,
};

fn vectors(what: &str, kind: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/units.json");
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let all: Value = serde_json::from_str(&text).expect("they are JSON");
    all[what][kind].as_array().expect("a list").clone()
}

fn check(what: &str, parse: impl Fn(&str) -> Option<f64>, exact: impl Fn(&str) -> String) {
    for vector in vectors(what, "valid") {
        let text = vector["text"].as_str().unwrap();
        match &vector["value"] {
            Value::String(digits) => assert_eq!(&exact(text), digits),
            value => assert_eq!(parse(text), value.as_f64(), "{text}"),
        }
    }
    for text in vectors(what, "invalid") {
        let text = text.as_str().unwrap();
        assert_eq!(parse(text), None, "{text:?}");
    }
}

#[test]
fn sizes_are_read_as_everywhere() {
    let exact = |text: &str| parse_size(text).unwrap().to_string();
    check("size", |text| parse_size(text).ok().map(|size| size as f64), exact);
}

#[test]
fn rates_are_read_as_everywhere() {
    let exact = |text: &str| parse_rate(text).unwrap().to_string();
    check("rate", |text| parse_rate(text).ok().map(|rate| rate as f64), exact);
}

#[test]
fn durations_are_read_as_everywhere() {
    let seconds = |text: &str| parse_duration(text).ok().map(|span| span.as_secs_f64());
    check("duration", seconds, |text| parse_duration(text).unwrap().as_secs().to_string());
}

#[test]
fn long_fractions_are_exact() {
    assert_eq!(
        parse_size("0.00000000000000000086736173798840354720596224069595336914E").ok(),
        None
    );
    assert_eq!(parse_size("0.5000000000000000000000000000000000000000000000K").unwrap(), 512);
}

#[test]
fn sizes_are_shown_short() {
    for (size, shown) in [
        (0.0, "0 B"),
        (1023.0, "1023 B"),
        (1024.0, "1 KiB"),
        (1536.0, "1.5 KiB"),
        (1_048_575.0, "1 MiB"),
        (123_456_789.0, "118 MiB"),
        (f64::powi(2.0, 63), "8 EiB"),
    ] {
        assert_eq!(format_size(size), shown);
    }
    assert_eq!(format_rate(52_428_800.0), "50 MiB/s");
}

#[test]
fn durations_are_shown_in_two_units() {
    for (milliseconds, shown) in [
        (0, "0s"),
        (250, "250ms"),
        (1500, "1.5s"),
        (2000, "2s"),
        (42_000, "42s"),
        (3_900_000, "1h 5m"),
        (93_784_000, "1d 2h"),
    ] {
        assert_eq!(format_duration(Duration::from_millis(milliseconds)), shown);
    }
}
