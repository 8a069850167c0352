//! A request of ours that was refused, sent once more when the refusal says what was missing: credentials (RFC 3261 §22.2),
//! or a longer session interval (RFC 4028 §7.3).

use crate::sip::compose;
use crate::sip::core::{Core, Draft};
use crate::sip::digest::Responder;
use crate::sip::endpoint::SessionTimer;
use crate::sip::message::Response;
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;

/// So often one request is sent anew.
const MAX_ROUNDS: u8 = 5;

impl Core {
    /// The request of a client transaction once more, with the next CSeq; its user mends what was missing and sends it.
    /// `None` when that was done often enough.
    pub fn anew(&self, transaction: TransactionId) -> Option<Draft> {
        let client = self.clients.get(transaction)?;
        let cseq = client.request.headers.cseq().ok()?.number.checked_add(1)?;
        (client.round < MAX_ROUNDS).then(|| Draft {
            owner: client.owner,
            request: compose::anew(&client.request, cseq),
            path: client.path.clone(),
            round: client.round + 1,
            answer_by: None,
        })
    }

    /// The same with an answer to the challenge of a 401 or 407. `None` when there is none.
    pub fn answering(
        &mut self,
        transaction: TransactionId,
        refusal: &Response,
        login: Option<&mut Responder>,
    ) -> Option<Draft> {
        let login = login?;
        let mut draft = self.anew(transaction)?;
        login
            .handle_challenge(&draft.request, refusal, &mut self.entropy)
            .ok()?;
        login.authorize(&mut draft.request);
        Some(draft)
    }

    /// The same with whatever the refusal says was missing. `None` when that cannot be had.
    pub fn mending(
        &mut self,
        transaction: TransactionId,
        refusal: &Response,
        login: Option<&mut Responder>,
        setting: &mut SessionTimer,
    ) -> Option<Draft> {
        match refusal.status {
            401 | 407 => self.answering(transaction, refusal, login),
            422 => {
                let mut draft = self.anew(transaction)?;
                *setting = session_timer::raise(*setting, &refusal.headers)?;
                session_timer::ask(*setting, None, &mut draft.request.headers);
                draft.authorize(login);
                Some(draft)
            }
            _ => None,
        }
    }
}
