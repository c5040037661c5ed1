//! Messages as canonical JSON, by the descriptors of the contract.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

use crate::failure::Failure;

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let set = include_bytes!(concat!(env!("OUT_DIR"), "/contract.binpb"));
    DescriptorPool::decode(set.as_slice()).expect("the build has made it")
});

fn descriptor(name: &str) -> Result<MessageDescriptor, Failure> {
    let name = format!("longshore.v1.{name}");
    let found = CONTRACT.get_message_by_name(&name);
    found.ok_or_else(|| Failure::Driver(format!("no message {name}")))
}

/// Numbers of enums that the contract does not know stay numbers.
pub fn to_json(name: &str, message: &impl Message) -> Result<Value, Failure> {
    let mut dynamic = DynamicMessage::new(descriptor(name)?);
    dynamic.transcode_from(message).map_err(|error| Failure::Driver(error.to_string()))?;
    Ok(serde_json::to_value(&dynamic)?)
}

/// What is null or not there is an empty message.
pub fn from_json<M: Message + Default>(name: &str, value: &Value) -> Result<M, Failure> {
    if value.is_null() {
        return Ok(M::default());
    }
    let dynamic = DynamicMessage::deserialize(descriptor(name)?, value)?;
    dynamic.transcode_to().map_err(|error| Failure::Driver(error.to_string()))
}
