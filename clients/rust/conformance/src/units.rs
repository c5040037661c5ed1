//! The operations `parse` and `format`.

use std::time::Duration;

use longshore_client::Error;
use longshore_client::units;
use serde_json::{Value, json};

use crate::failure::{Answer, Failure};
use crate::fields::Fields;

pub fn parse(fields: &Fields) -> Answer {
    let text = fields.needed("text")?;
    let value = match fields.needed("what")?.as_str() {
        "size" => units::parse_size(&text)?.to_string(),
        "rate" => units::parse_rate(&text)?.to_string(),
        "duration" => decimal(units::parse_duration(&text)?),
        what => return Err(Failure::Driver(format!("parse what: {what}"))),
    };
    Ok(json!({"value": value}))
}

pub fn format(fields: &Fields) -> Answer {
    let given = match &fields.0["value"] {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_f64(),
    };
    let wrong = || Error::BadArgument("not a number".to_owned());
    let value: f64 = given.ok_or_else(wrong)?;
    let text = match fields.needed("what")?.as_str() {
        "size" => units::format_size(value),
        "rate" => units::format_rate(value),
        "duration" => {
            let span = Duration::try_from_secs_f64(value);
            units::format_duration(span.map_err(|_| wrong())?)
        }
        what => return Err(Failure::Driver(format!("format what: {what}"))),
    };
    Ok(json!({"text": text}))
}

/// Seconds without a point where there is none to make: 90, 0.25.
fn decimal(duration: Duration) -> String {
    let shown = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}
