//! JSON schemas as a CustomResourceDefinition takes them: structural, with OpenAPI's `nullable` in
//! place of the type `null`, and no references.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The structural schema of a type.
pub(super) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    settle(&mut schema);
    schema
}

fn settle(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    members.remove("title");
    unwrap_optional(members);
    join_words(members);
    take_null_out(members);
    if let Some(Value::String(text)) = members.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    for (name, below) in members.iter_mut() {
        match (name.as_str(), below) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(settle),
            ("items", items) => settle(items),
            _ => {}
        }
    }
}

/// `anyOf: [X, {type: null}]`, which is what an optional X becomes where X has alternatives itself.
fn unwrap_optional(members: &mut Map<String, Value>) {
    let null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
    let Some(Value::Array(alternatives)) = members.get("anyOf") else { return };
    if let [Value::Object(one), other] = alternatives.as_slice()
        && null(other)
    {
        let one = one.clone();
        members.remove("anyOf");
        for (name, value) in one {
            members.entry(name).or_insert(value);
        }
        // An `enum` would have to list null to allow it, and no policy needs that.
        if !members.contains_key("oneOf") {
            members.insert("nullable".to_owned(), Value::Bool(true));
        }
    }
}

/// The variants of an enumeration, each with its description, as one list of words.
fn join_words(members: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = members.get("oneOf") else { return };
    let words: Option<Vec<Value>> = variants.iter().map(|it| it.get("const").cloned()).collect();
    if let Some(words) = words {
        members.remove("oneOf");
        members.insert("enum".to_owned(), Value::Array(words));
        members.insert("type".to_owned(), Value::String("string".to_owned()));
    }
}

fn take_null_out(members: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = members.get("type") else { return };
    let kept = types.iter().find(|name| *name != "null").cloned();
    if let Some(kept) = kept {
        members.insert("type".to_owned(), kept);
        members.insert("nullable".to_owned(), Value::Bool(true));
    }
}
