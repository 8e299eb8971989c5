//! Sends the cases and compares what came with what must come.

use portreeve_protocol::Sha256;
use portreeve_protocol::seal::ANNOTATION;
use serde_json::{Value, json};

use super::api_server::{Answer, ApiServer};
use super::cases::{self, Case, Expected};
use super::owner;
use super::stage::Stage;
use crate::error::CommandError;
use crate::terminal::Terminal;

/// A case and what came of it.
pub(super) struct Played {
    /// The answer.
    pub(super) answer: Answer,
    /// Whether the demo explains this one from the journal.
    pub(super) explain: bool,
    /// What was expected and did not come.
    pub(super) failures: Vec<String>,
    /// Each image as sent, and what the patch puts in its place.
    pub(super) images: Vec<(String, Option<String>)>,
    /// What the demo calls it.
    pub(super) name: String,
    /// The uid under which it was sent.
    pub(super) uid: String,
    /// Kind and name of the object.
    pub(super) workload: String,
}

/// Plays all cases; what was patched is sent once more as the API server would have stored it.
pub(super) async fn all(
    api_server: &mut ApiServer,
    stage: &Stage,
    terminal: &Terminal,
) -> Result<Vec<Played>, CommandError> {
    let mut played = Vec::new();
    let mut uids = Uids::new();
    for case in cases::all(stage)? {
        let (done, again) = play(api_server, case, &mut uids, terminal).await?;
        played.push(done);
        if let Some(again) = again {
            let stored = again.review["request"]["object"].clone();
            played.push(play(api_server, again, &mut uids, terminal).await?.0);
            let pod = cases::sealed_owner(stage)?;
            owner::store(stage, &stored, &pod.review).await?;
            let asked = stage.trust_requests();
            let (mut done, _) = play(api_server, pod, &mut uids, terminal).await?;
            if stage.trust_requests() != asked {
                done.failures.push("the trust server was asked".to_owned());
            }
            played.push(done);
        }
    }
    Ok(played)
}

async fn play(
    api_server: &mut ApiServer,
    mut case: Case,
    uids: &mut Uids,
    terminal: &Terminal,
) -> Result<(Played, Option<Case>), CommandError> {
    let uid = uids.next();
    cases::set(&mut case.review, "/request/uid", json!(uid))?;
    let workload = workload(&case.review);
    terminal.line(&format!("  {}: {workload}", case.name));
    let answer = api_server.ask(&case.review).await?;
    let before = case.review["request"]["object"].clone();
    let mut after = before.clone();
    let mut failures = Vec::new();
    if let Some(patch) = &answer.patch
        && let Err(error) = json_patch::patch(&mut after, patch)
    {
        failures.push(format!("the patch does not apply: {error}"));
    }
    compare(&case, &answer, &after, &mut failures);
    let images = case
        .images
        .iter()
        .map(|(pointer, image)| {
            let now = after.pointer(pointer).and_then(Value::as_str);
            (image.clone(), now.filter(|now| now != image).map(str::to_owned))
        })
        .collect();
    let again =
        if answer.allowed && after != before { Some(once_more(&case, &after)?) } else { None };
    let Case { explain, name, .. } = case;
    let name = name.to_owned();
    Ok((Played { answer, explain, failures, images, name, uid, workload }, again))
}

/// The patched object, as a case of its own that must enter without another patch.
fn once_more(case: &Case, object: &Value) -> Result<Case, CommandError> {
    let mut review = case.review.clone();
    cases::set(&mut review, "/request/object", object.clone())?;
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let images = case.images.iter().map(|(pointer, _)| (*pointer, text(pointer).to_owned()));
    Ok(Case {
        expected: Expected::Allowed(Vec::new()),
        explain: false,
        images: images.collect(),
        name: "the same, patched",
        review,
        seal_of: "",
    })
}

fn compare(case: &Case, answer: &Answer, after: &Value, failures: &mut Vec<String>) {
    let mut wanted = case.review["request"]["object"].clone();
    match &case.expected {
        Expected::Allowed(pins) => {
            if !answer.allowed {
                failures.push(format!("refused ({}): {}", answer.code, answer.message));
                return;
            }
            for (pointer, pinned) in pins {
                if let Some(image) = wanted.pointer_mut(pointer) {
                    *image = json!(pinned);
                }
            }
            if pins.is_empty() && answer.patch.is_some() {
                failures.push("there is a patch where nothing is to be changed".to_owned());
            }
        }
        Expected::Refused(code, says) => {
            if answer.allowed {
                failures.push(format!("allowed, not refused as {}", code.code()));
                return;
            }
            if answer.code != code.code() {
                failures.push(format!("refused as {}, not {}", answer.code, code.code()));
            }
            for text in says.iter().filter(|text| !answer.message.contains(text.as_str())) {
                failures.push(format!("the message does not name {text}: {}", answer.message));
            }
        }
    }
    if !answer.seal.contains(case.seal_of) {
        failures.push(format!("it was not the seal of {} that counted", case.seal_of));
    }
    let mut after = after.clone();
    let seal = without_seal(&mut after);
    without_seal(&mut wanted);
    if workload(&case.review).starts_with("Deployment") && seal.is_none() {
        failures.push("the Deployment carries no seal".to_owned());
    }
    if after != wanted {
        failures.push("the patch makes another object than the one wanted".to_owned());
    }
}

/// Takes the seal off an object, and the annotations with it if there are no others.
fn without_seal(object: &mut Value) -> Option<Value> {
    let metadata = object["metadata"].as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let seal = annotations.remove(ANNOTATION);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    seal
}

fn workload(review: &Value) -> String {
    let request = &review["request"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = text(&request["kind"]["kind"]).unwrap_or_default();
    let generated = || text(&request["object"]["metadata"]["generateName"]).map(|name| name + "*");
    let name = text(&request["name"]).or_else(generated).unwrap_or_default();
    format!("{kind} {name}")
}

/// Uids that no earlier run used, so that one journal can hold many runs.
struct Uids {
    run: [u8; 32],
    sent: u64,
}

impl Uids {
    fn new() -> Self {
        let elapsed = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let text = format!("{} {}", elapsed.as_nanos(), std::process::id());
        Self { run: *Sha256::of(text.as_bytes()).as_bytes(), sent: 0 }
    }

    fn next(&mut self) -> String {
        self.sent += 1;
        let hex = Sha256::of(&[&self.run[..], &self.sent.to_be_bytes()].concat()).to_hex();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }
}
