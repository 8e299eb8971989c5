//! The policies as they are now.

use std::sync::Arc;

use portreeve_protocol::policy::PolicySnapshot;

use super::Admission;

impl Admission {
    /// Decides by these from now on. Reviews that wait keep the policies they came under.
    pub(super) fn policies(&mut self, policies: &Arc<PolicySnapshot>) {
        self.plans.clear();
        self.requirements.clear();
        self.policies = Some(Arc::clone(policies));
    }
}
