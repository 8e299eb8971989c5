//! The reviews that are sent: a recorded Deployment with two containers, its uid new each time.

use serde_json::Value;

use crate::error::{BenchError, talk};

/// What a real API server sent.
const RECORDED: &str =
    include_str!("../../corpus/admission-reviews/002-create-deployment-web.json");
/// Stands where the uid goes; as long as a uid is.
const UID: &str = "00000000-0000-4000-8000-UUUUUUUUUUUU";
/// The end of [`UID`] that changes.
const CHANGING: usize = 12;

/// A review as bytes around its uid.
pub(crate) struct Template {
    after: Vec<u8>,
    before: Vec<u8>,
    head: Vec<u8>,
    patched: usize,
}

impl Template {
    /// A Deployment whose containers run `images`, all of which are to be pinned.
    pub(crate) fn new(images: &[String]) -> Result<Self, BenchError> {
        const MAKE: &str = "make a review";
        let mut review: Value = serde_json::from_str(RECORDED).map_err(talk(MAKE))?;
        review["request"]["uid"] = UID.into();
        let spec = &mut review["request"]["object"]["spec"]["template"]["spec"];
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("initContainers");
        }
        let containers = spec["containers"].as_array_mut();
        let containers = containers.ok_or_else(|| talk(MAKE)("it has no containers"))?;
        containers.truncate(images.len());
        for (container, image) in containers.iter_mut().zip(images) {
            container["image"] = image.as_str().into();
        }
        let text = review.to_string();
        let at = text.find(UID).ok_or_else(|| talk(MAKE)("it has no uid"))?;
        let (before, after) = text.split_at(at + UID.len() - CHANGING);
        let head = format!(
            "POST /admit?timeout=10s HTTP/1.1\r\nHost: portreeve.portreeve.svc:443\r\n\
             User-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\n\
             Accept: application/json, */*\r\nContent-Type: application/json\r\n\
             Accept-Encoding: gzip\r\n\r\n",
            text.len()
        );
        Ok(Self {
            after: after.as_bytes()[CHANGING..].to_vec(),
            before: before.as_bytes().to_vec(),
            head: head.into_bytes(),
            patched: images.len(),
        })
    }

    /// Bytes of the body.
    pub(crate) fn body_length(&self) -> usize {
        self.before.len() + CHANGING + self.after.len()
    }

    /// Appends the body.
    pub(crate) fn write_body(&self, uid: u64, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.before);
        to.extend_from_slice(&digits(uid));
        to.extend_from_slice(&self.after);
    }

    /// Appends the whole HTTP/1.1 request.
    pub(crate) fn write_request(&self, uid: u64, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.head);
        self.write_body(uid, to);
    }

    /// Whether an answer is the one to `uid`, and allows with a patch. One answer in 4,096 is taken
    /// apart to the end.
    pub(crate) fn check(&self, uid: u64, answer: &[u8]) -> Result<(), BenchError> {
        let wrong = |why: &str| BenchError::Answer {
            server: "a server".to_owned(),
            why: format!("{why}: {}", String::from_utf8_lossy(answer)),
        };
        let has = |text: &[u8]| answer.windows(text.len()).any(|bytes| bytes == text);
        if !has(&digits(uid)) || !has(b"\"allowed\":true") {
            return Err(wrong("it is not an allow of the review"));
        }
        if uid & 0xfff != 1 {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(answer).map_err(|_| wrong("it is no JSON"))?;
        let patch = value["response"]["patch"].as_str().unwrap_or_default();
        let patch = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, patch);
        let patch: Value = serde_json::from_slice(&patch.unwrap_or_default()).unwrap_or_default();
        let replaced = patch.as_array().into_iter().flatten().filter(|it| {
            let path = it["path"].as_str().unwrap_or_default();
            path.ends_with("/image")
                && it["value"].as_str().is_some_and(|it| it.contains("@sha256:"))
        });
        if replaced.count() == self.patched {
            return Ok(());
        }
        Err(wrong("it does not pin every image"))
    }
}

fn digits(uid: u64) -> [u8; CHANGING] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; CHANGING];
    for (place, byte) in text.iter_mut().rev().enumerate() {
        *byte = HEX[(uid >> (4 * place) & 15) as usize];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_names_its_images_and_its_uid() -> Result<(), BenchError> {
        let images = ["a.example/b:1".to_owned(), "a.example/c:1".to_owned()];
        let template = Template::new(&images)?;
        let mut body = Vec::new();
        template.write_body(0xabc, &mut body);
        assert_eq!(body.len(), template.body_length());
        let review: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(review["request"]["uid"], "00000000-0000-4000-8000-000000000abc");
        let containers = &review["request"]["object"]["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers.as_array().map(Vec::len), Some(2));
        assert_eq!(containers[1]["image"], "a.example/c:1");
        Ok(())
    }

    #[test]
    fn an_answer_that_denies_or_pins_nothing_is_refused() -> Result<(), BenchError> {
        let template = Template::new(&["a.example/b:1".to_owned()])?;
        let denied = br#"{"response":{"uid":"000000000001","allowed":false}}"#;
        assert!(template.check(1, denied).is_err());
        let bare = br#"{"response":{"uid":"000000000001","allowed":true}}"#;
        assert!(template.check(1, bare).is_err());
        Ok(())
    }
}
