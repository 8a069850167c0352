//! What is known of an INVITE of ours until its final response: how far it is, and the early dialogs it made (RFC 3261
//! §12.1, §13.2.2.1), one for each fork.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::sip::core::Core;
use crate::sip::dialog::Dialog;
use crate::sip::digest::{Account, Memory, Responder};
use crate::sip::endpoint::{Failure, SessionTimer};
use crate::sip::flow::Source;
use crate::sip::invite::{Established, LONGEST_RING, Phase, Session};
use crate::sip::message::{Headers, Method, Name, RAck, Response};
use crate::sip::reliable::Receiver;
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::Owner;
use crate::sip::uri::Uri;

/// Early dialogs of one INVITE; responses of more forks are reported, but nothing is kept of them.
const MAX_FORKS: usize = 16;

pub struct Inviting {
    pub transaction: TransactionId,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub contact: Uri,
    pub(super) login: Option<Responder>,
    /// Where a good login is remembered.
    pub(super) account: Option<Account>,
    pub(super) setting: SessionTimer,
    pub(super) answer_within: Option<Duration>,
    pub(super) stage: Stage,
    pub(super) forks: BTreeMap<String, Fork>,
}

pub(super) enum Stage {
    /// No response yet; the transaction has the timer.
    Calling,
    Ringing {
        gives_up: Instant,
    },
    /// CANCEL may go out only after a provisional response (RFC 3261 §9.1).
    CancelWhenHeard(Headers),
    /// Without a final response to the CANCEL within 64*T1 the INVITE counts as cancelled.
    Cancelled {
        gives_up: Instant,
        why: Failure,
    },
}

/// An early dialog.
pub(super) struct Fork {
    dialog: Dialog,
    receiver: Receiver,
    exchange: Exchange,
}

/// Whether the callee may make an offer of its own before its final response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exchange {
    /// Our offer is unanswered, or answered without certainty.
    Open,
    /// A reliable response answered our offer, and we acknowledged it (RFC 3262 §5, RFC 3311 §5.1).
    Settled,
}

impl Inviting {
    pub fn dialog_key(&self) -> (&str, &str) {
        (&self.call_id, &self.local_tag)
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Ringing { gives_up } | Stage::Cancelled { gives_up, .. } => Some(*gives_up),
            Stage::Calling | Stage::CancelWhenHeard(_) => None,
        }
    }

    /// The early dialog that a request of the callee is in.
    pub fn early_dialog(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        self.forks.get_mut(remote_tag).map(|fork| &mut fork.dialog)
    }

    /// The early dialog in which the callee may make an offer.
    pub fn settled_dialog(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        if self.is_cancelling() {
            return None;
        }
        let fork = self.forks.get_mut(remote_tag)?;
        (fork.exchange == Exchange::Settled).then_some(&mut fork.dialog)
    }

    pub(super) fn is_cancelling(&self) -> bool {
        match &self.stage {
            Stage::Calling | Stage::Ringing { .. } => false,
            Stage::CancelWhenHeard(_) | Stage::Cancelled { .. } => true,
        }
    }

    /// Past 100 a login was good. 403 is what some say to an answer they do not take (dossier 2.9), 401 and 407 ask for
    /// another: then the next call had better wait for its challenge.
    pub(super) fn judge_login(&self, logins: &mut Memory, status: u16) {
        let (Some(account), Some(login)) = (&self.account, &self.login) else {
            return;
        };
        match status {
            101..300 => logins.keep(account, login),
            401 | 403 | 407 => logins.forget(account),
            _ => {}
        }
    }

    /// Why the INVITE came to nothing, once it was cancelled.
    pub(super) fn why(&self) -> Failure {
        match &self.stage {
            Stage::Cancelled { why, .. } => why.clone(),
            Stage::Calling | Stage::Ringing { .. } | Stage::CancelWhenHeard(_) => {
                Failure::Cancelled
            }
        }
    }
}

/// What responses do to it.
impl Inviting {
    pub(super) fn heard(&mut self, core: &mut Core, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Calling) {
            Stage::Calling => {
                self.stage = Stage::Ringing {
                    gives_up: now + LONGEST_RING,
                };
            }
            Stage::CancelWhenHeard(headers) => {
                self.cancel(core, now, headers, Failure::Cancelled);
            }
            stage @ (Stage::Ringing { .. } | Stage::Cancelled { .. }) => self.stage = stage,
        }
    }

    pub(super) fn cancel(&mut self, core: &mut Core, now: Instant, headers: Headers, why: Failure) {
        core.send_cancel(now, self.transaction, headers);
        self.stage = Stage::Cancelled {
            gives_up: now + core.config.timers.whole(),
            why,
        };
    }

    /// 101-199 of one fork. False when it is a reliable one out of its order, to be seen as if it had not come.
    pub(super) fn ring(
        &mut self,
        core: &mut Core,
        now: Instant,
        tag: &str,
        source: Source,
        response: &Response,
    ) -> bool {
        if !self.forks.contains_key(tag) && self.forks.len() < MAX_FORKS {
            let invite = core
                .clients
                .get(self.transaction)
                .map(|client| &client.request);
            let dialog = invite.and_then(|invite| Dialog::as_uac(invite, response, source).ok());
            if let Some(dialog) = dialog {
                let fork = Fork {
                    dialog,
                    receiver: Receiver::default(),
                    exchange: Exchange::Open,
                };
                self.forks.insert(tag.to_owned(), fork);
            }
        }
        let Some(fork) = self.forks.get_mut(tag) else {
            return true;
        };
        fork.dialog.refresh_target(&response.headers);
        match response.headers.rseq() {
            Ok(Some(rseq)) if response.headers.has_tag(&Name::Require, "100rel") => {
                let in_order = fork.receiver.accept(rseq);
                if in_order {
                    fork.acknowledge(core, now, self.login.as_mut(), response, rseq);
                    if !response.body.is_empty() {
                        fork.exchange = Exchange::Settled;
                    }
                }
                in_order
            }
            Ok(_) | Err(_) => true,
        }
    }

    /// The dialog of the first 2xx, with the ACK still owed. `None` when the 2xx makes no dialog.
    pub(super) fn establish(
        self,
        core: &Core,
        now: Instant,
        source: Source,
        response: &Response,
    ) -> Option<Established> {
        let invite = &core.clients.get(self.transaction)?.request;
        let mut dialog = Dialog::as_uac(invite, response, source).ok()?;
        let cseq = dialog.local_seq();
        if let Some(fork) = self.forks.get(&dialog.remote_tag) {
            dialog.continue_from(&fork.dialog);
        }
        Some(Established {
            session: Session {
                dialog,
                contact: self.contact,
                login: self.login,
                setting: self.setting,
                running: session_timer::agreed_by_peer(now, self.setting, &response.headers),
                invited_by_us: true,
            },
            phase: Phase::OwingAck {
                transaction: self.transaction,
                cseq,
                gives_up: now + core.config.timers.whole(),
            },
        })
    }
}

impl Fork {
    /// PRACK (RFC 3262 §4).
    fn acknowledge(
        &mut self,
        core: &mut Core,
        now: Instant,
        login: Option<&mut Responder>,
        response: &Response,
        rseq: u32,
    ) {
        let Ok(cseq) = response.headers.cseq() else {
            return;
        };
        let number = self.dialog.next_cseq();
        let mut request = self.dialog.request(Method::Prack, number);
        request
            .headers
            .push(Name::RAck, RAck { rseq, cseq }.to_string());
        if let Some(login) = login {
            login.authorize(&mut request);
        }
        core.send_in_dialog(now, Owner::Nobody, request, self.dialog.path());
    }
}
