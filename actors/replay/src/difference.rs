//! Says what is different between a delivery as recorded and as it came out again.

use std::sync::Arc;

use portreeve_protocol::entry::{Checkpoint, Delivered};
use portreeve_protocol::{Decision, Effect, ProtocolError, Sha256, codec};
use serde_json::Value;

use crate::name::effect_text;
use crate::{DecisionDifference, Divergence};

/// Members of a decision named at most.
const MEMBERS: usize = 12;
/// Characters of a value shown at most.
const SHOWN: usize = 160;

/// The divergence, and a sentence about it.
pub(crate) fn describe(
    delivered: &Delivered,
    effects: &[Effect],
    replayed: Sha256,
) -> Result<(Divergence, String), ProtocolError> {
    let now: Vec<&Arc<Decision>> = effects.iter().filter_map(Effect::decision).collect();
    let before = &delivered.decisions;
    let mut decisions = Vec::new();
    for index in 0..before.len().max(now.len()) {
        let (recorded, replayed) = (before.get(index).cloned(), now.get(index).copied().cloned());
        if recorded != replayed {
            decisions.push(DecisionDifference {
                members: members(recorded.as_deref(), replayed.as_deref())?,
                recorded,
                replayed,
            });
        }
    }
    let effects: Vec<String> = effects.iter().map(effect_text).collect();
    let hashes = if delivered.effects == replayed {
        "its decisions are not those stated, while its effects hash as recorded".to_owned()
    } else {
        format!("its effects hash to {replayed}, not to {}", delivered.effects)
    };
    let mut text = format!(
        "the machine did something else than was recorded: {hashes}; it emitted now: {}",
        if effects.is_empty() { "nothing".to_owned() } else { effects.join(", ") }
    );
    for member in decisions.iter().flat_map(|decision| &decision.members) {
        text.push_str("; ");
        text.push_str(member);
    }
    Ok((Divergence { decisions, effects, recorded: delivered.effects, replayed }, text))
}

/// Where two checkpoints differ, the first few places; `None` if nowhere.
pub(crate) fn of_checkpoints(
    recorded: &Checkpoint,
    replayed: &Checkpoint,
) -> Result<Option<String>, ProtocolError> {
    if codec::canonical(recorded)? == codec::canonical(replayed)? {
        return Ok(None);
    }
    let value = |checkpoint: &Checkpoint| {
        serde_json::to_value(checkpoint)
            .map_err(|error| ProtocolError::Record { why: error.to_string() })
    };
    let mut found = Vec::new();
    compare(String::new(), &value(recorded)?, &value(replayed)?, &mut found);
    Ok(Some(found.join("; ")))
}

fn members(
    recorded: Option<&Decision>,
    replayed: Option<&Decision>,
) -> Result<Vec<String>, ProtocolError> {
    let value = |decision: Option<&Decision>| {
        serde_json::to_value(decision)
            .map_err(|error| ProtocolError::Record { why: error.to_string() })
    };
    let mut found = Vec::new();
    compare(String::new(), &value(recorded)?, &value(replayed)?, &mut found);
    Ok(found)
}

fn compare(at: String, recorded: &Value, replayed: &Value, found: &mut Vec<String>) {
    if recorded == replayed || found.len() >= MEMBERS {
        return;
    }
    match (recorded, replayed) {
        (Value::Object(left), Value::Object(right)) => {
            let added = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(added) {
                let (left, right) = (left.get(name), right.get(name));
                let null = &Value::Null;
                compare(format!("{at}/{name}"), left.unwrap_or(null), right.unwrap_or(null), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(format!("{at}/{index}"), left, right, found);
            }
        }
        _ => found.push(format!(
            "decision{at} was {} and is now {}",
            shown(recorded),
            shown(replayed)
        )),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain("…".chars()).collect()
}
