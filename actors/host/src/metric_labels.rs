//! The labels of metrics. None holds what a client chose.

use prometheus_client::encoding::EncodeLabelSet;

/// By the kind of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByFact {
    pub(crate) fact: &'static str,
}

/// By whether a trust server had to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByCache {
    pub(crate) cache: &'static str,
}

/// By what came of something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByResult {
    pub(crate) result: &'static str,
}

/// By HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByStatus {
    pub(crate) status: u32,
}

/// By step of a review.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByStep {
    pub(crate) step: &'static str,
}

/// By reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByWhy {
    pub(crate) why: &'static str,
}

/// By kind of actor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByActor {
    pub(crate) actor: &'static str,
}

/// By answer, code, and mode of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByAnswer {
    pub(crate) allowed: &'static str,
    pub(crate) code: &'static str,
    pub(crate) mode: &'static str,
}

/// By trust server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByServer {
    pub(crate) server: String,
}

/// By trust server and what came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByFetch {
    pub(crate) result: &'static str,
    pub(crate) server: String,
}

/// By what was asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByQuestion {
    pub(crate) result: &'static str,
    pub(crate) what: &'static str,
}
