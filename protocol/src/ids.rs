//! Who received what, and why: nodes, actors, events and their causes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::ProtocolError;
use crate::text::read_from_text;

/// The name of one replica, as operators know it: a pod or host name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeId(Arc<str>);

impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        // Ids are sorted all the time, and nearly always are those of one node.
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl NodeId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
        };
        if text.is_empty() || text.len() > 63 || !text.bytes().all(allowed) {
            return Err(ProtocolError::NodeId { text: text.chars().take(80).collect() });
        }
        Ok(Self(text.into()))
    }
}

/// The five kinds of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ActorKind {
    /// Decides reviews; one per replica.
    Admission,
    /// Gates answers on durability; one per replica.
    Journal,
    /// Fetches and keeps trust data; one per trust server.
    Notary,
    /// Holds the policies; one per replica.
    Policy,
    /// Verifies signatures; a stateless pool.
    Verify,
}

impl ActorKind {
    /// The word used in ids, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Journal => "journal",
            Self::Notary => "notary",
            Self::Policy => "policy",
            Self::Verify => "verify",
        }
    }
}

/// One actor of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActorId {
    /// Written `admission`.
    Admission,
    /// Written `journal`.
    Journal,
    /// Written `notary=URL`, where the URL is the trust server's, without a trailing slash.
    Notary(String),
    /// Written `policy`.
    Policy,
    /// Written `verify=N` for the N-th member of the pool. Messages to the pool name member 0;
    /// the id of a delivery names the member that took it.
    Verify(u16),
}

impl ActorId {
    /// Which kind of actor this is.
    #[must_use]
    pub const fn kind(&self) -> ActorKind {
        match self {
            Self::Admission => ActorKind::Admission,
            Self::Journal => ActorKind::Journal,
            Self::Notary(_) => ActorKind::Notary,
            Self::Policy => ActorKind::Policy,
            Self::Verify(_) => ActorKind::Verify,
        }
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notary(server) => write!(formatter, "notary={server}"),
            Self::Verify(member) => write!(formatter, "verify={member}"),
            Self::Admission | Self::Journal | Self::Policy => {
                formatter.write_str(self.kind().name())
            }
        }
    }
}

impl FromStr for ActorId {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let unknown = || ProtocolError::ActorId { text: text.chars().take(256).collect() };
        match text {
            "admission" => Ok(Self::Admission),
            "journal" => Ok(Self::Journal),
            "policy" => Ok(Self::Policy),
            _ => match text.split_once('=') {
                Some(("notary", server)) if !server.is_empty() => {
                    Ok(Self::Notary(server.to_owned()))
                }
                Some(("verify", member)) => {
                    canonical_number(member).map(Self::Verify).ok_or_else(unknown)
                }
                _ => Err(unknown()),
            },
        }
    }
}

/// One delivery to one actor, unique for ever: node, incarnation of the node, actor, sequence.
/// Written `node/incarnation/actor/sequence`, such as `web-1/3/admission/17`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The replica.
    pub node: NodeId,
    /// How many times the replica had started, counted from 1.
    pub incarnation: u32,
    /// The receiving actor.
    pub actor: ActorId,
    /// The actor's deliveries in this incarnation, counted from 1.
    pub seq: u64,
}

impl EventId {
    /// The id as it is written; every record holds several, so this does without formatting.
    fn to_text(&self) -> String {
        let Self { node, incarnation, actor, seq } = self;
        let mut text = String::with_capacity(96);
        text.push_str(node.as_str());
        text.push('/');
        push_number(u64::from(*incarnation), &mut text);
        text.push('/');
        text.push_str(actor.kind().name());
        match actor {
            ActorId::Admission | ActorId::Journal | ActorId::Policy => {}
            ActorId::Notary(server) => {
                text.push('=');
                text.push_str(server);
            }
            ActorId::Verify(member) => {
                text.push('=');
                push_number(u64::from(*member), &mut text);
            }
        }
        text.push('/');
        push_number(*seq, &mut text);
        text
    }
}

fn push_number(number: u64, text: &mut String) {
    let mut digits = [b'0'; 20];
    let first = crate::json::digits(number, &mut digits);
    text.push_str(str::from_utf8(&digits[first..]).unwrap_or_default());
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}

impl FromStr for EventId {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let malformed = || ProtocolError::EventId { text: text.chars().take(256).collect() };
        let (node, rest) = text.split_once('/').ok_or_else(malformed)?;
        let (incarnation, rest) = rest.split_once('/').ok_or_else(malformed)?;
        let (actor, seq) = rest.rsplit_once('/').ok_or_else(malformed)?;
        Ok(Self {
            node: node.parse()?,
            incarnation: canonical_number(incarnation).ok_or_else(malformed)?,
            actor: actor.parse()?,
            seq: canonical_number(seq).ok_or_else(malformed)?,
        })
    }
}

/// Reads a number only in the form it would be written, so that an id has one spelling.
fn canonical_number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let led_by_zero = text.len() > 1 && text.starts_with('0');
    if digits && !led_by_zero { text.parse().ok() } else { None }
}

/// Why an event happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// An effect of an earlier event of the same node.
    Effect {
        /// The event whose handling emitted it.
        event: EventId,
        /// Its place among that event's effects, counted from 0.
        index: u32,
    },
    /// Something outside the machines.
    Outside(Outside),
}

/// The sources outside the machines that may start a chain of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outside {
    /// The host's own life cycle: start, drain.
    Host,
    /// Policies and the objects they refer to.
    Objects,
    /// A command of the operator's.
    Operator,
    /// A review received over HTTPS.
    Webhook,
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for ActorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Admission | Self::Journal | Self::Policy => {
                serializer.serialize_str(self.kind().name())
            }
            Self::Notary(_) | Self::Verify(_) => serializer.collect_str(self),
        }
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

read_from_text!(NodeId, "the name of a replica");
read_from_text!(ActorId, "the name of an actor");
read_from_text!(EventId, "an event such as web-1/3/admission/17");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_reads_back_what_it_wrote() {
        for text in ["a/1/admission/1", "web-0/2/notary=https://n.example:4443/7", "a/1/verify=3/9"]
        {
            assert_eq!(text.parse::<EventId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn an_event_id_has_one_spelling() {
        for text in
            ["a/01/admission/1", "a/1/admission/+1", "A/1/policy/1", "a/1/verify=03/9", "a/1"]
        {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
