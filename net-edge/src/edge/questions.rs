//! What others than players ask of the service through this edge: which matches are open.

use protocol::cluster::{AskMatchesT, IngressMessageT, OpenMatches};

use super::{Action, Edge, LinkState};

impl Edge {
    /// Asks the service for one open match with its content, or for all without. The answer is [`Action::Tell`] with this
    /// request, and there is none once the leader or the cluster session is lost: asking is cheap, and whoever waits may
    /// have gone. `false`: nobody is there to ask.
    pub fn handle_question(&mut self, request: u64, match_id: Option<u64>) -> bool {
        if self.link != LinkState::Up || !self.has_leader || self.uplink.is_full() {
            return false;
        }
        let mut ask = AskMatchesT::default();
        (ask.request, ask.match_id) = (request, match_id.unwrap_or_default());
        self.uplink.push(IngressMessageT::AskMatches(Box::new(ask)));
        true
    }

    pub(super) fn handle_open_matches(&mut self, told: &OpenMatches<'_>) {
        let told = told.unpack();
        self.actions.push_back(Action::Tell { request: told.request, matches: told.matches });
    }
}
