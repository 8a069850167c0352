//! What a call gathers for its CDR while it lasts.

use std::time::{Instant, SystemTime};

use crate::call::cdr::{Attempt, CallDirection, CallRef, Cdr, Told, Transfer};
use crate::call::ending::Ending;
use crate::call::leg_end::Parting;
use crate::call::moment::Moment;
use crate::party::{Party, PhoneNumber};
use crate::sdp::Agreement;
use crate::side::{Pair, Side};

const MAX_TRANSFERS: usize = 64;

/// Who called whom, known when the call is let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Parties {
    pub direction: CallDirection,
    pub wacid: Option<String>,
    pub call_id: Option<String>,
    pub user: Party,
    pub user_id: Option<String>,
    pub user_country: Option<String>,
    pub number: PhoneNumber,
    pub trunk: Option<String>,
    pub extension: Option<String>,
}

pub struct Record {
    call: CallRef,
    parties: Parties,
    started: Moment,
    ringing: Option<SystemTime>,
    answered: Option<Moment>,
    attempts: Vec<Attempt>,
    transfers: Vec<Transfer>,
    call_ids: Pair<Option<String>>,
    codecs: Pair<Option<&'static str>>,
    encrypted: Pair<bool>,
    whatsapp_duration_s: Option<u32>,
}

impl Record {
    pub fn new(now: Moment, call: CallRef, parties: Parties) -> Self {
        Self {
            call,
            started: now,
            ringing: None,
            answered: None,
            attempts: Vec::new(),
            transfers: Vec::new(),
            call_ids: Pair::new(parties.call_id.clone(), None),
            codecs: Pair::default(),
            encrypted: Pair::default(),
            whatsapp_duration_s: None,
            parties,
        }
    }

    pub fn name_leg(&mut self, side: Side, name: String) {
        self.call_ids[side] = Some(name);
    }

    pub fn try_peer(&mut self, peer: String) {
        self.attempts.push(Attempt {
            peer,
            outcome: String::new(),
        });
    }

    pub fn attempt_came_to(&mut self, outcome: String) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.outcome = outcome;
        }
    }

    /// More than this many of one call are not kept.
    pub fn transferred(&mut self, transfer: Transfer) {
        if self.transfers.len() < MAX_TRANSFERS {
            self.transfers.push(transfer);
        }
    }

    /// Whether this was the first ringing of the call.
    pub fn rang(&mut self, wall: SystemTime) -> bool {
        let first = self.ringing.is_none();
        self.ringing.get_or_insert(wall);
        first
    }

    /// Whether this was the first answer of the call.
    pub fn answered(&mut self, now: Moment) -> bool {
        let first = self.answered.is_none();
        self.answered.get_or_insert(now);
        first
    }

    pub fn agreed(&mut self, side: Side, agreement: &Agreement) {
        self.codecs[side] = Some(agreement.codec.name());
        self.encrypted[side] = agreement.protection.is_encrypted();
    }

    /// What WhatsApp said of the call when it hung up. WhatsApp's name of a call to a user is not known before (dossier 2.7).
    pub fn told_by_whatsapp(&mut self, parting: &Parting) {
        self.whatsapp_duration_s = parting.duration_s.or(self.whatsapp_duration_s);
        if self.parties.wacid.is_none() {
            self.parties.wacid = parting.wacid.clone();
        }
    }

    pub fn name_user(&mut self, id: String) {
        self.parties.user_id = Some(id);
    }

    /// The finished CDR, but for what media tells.
    pub fn close(&mut self, now: Moment, ending: Ending, told: Pair<Told>) -> Cdr {
        if told.a == Told::Cancel || told.b == Told::Cancel {
            self.attempt_came_to("cancelled".to_owned());
        }
        let since = |start: Instant, end: Instant| end.saturating_duration_since(start);
        let answered = self.answered;
        let parties = self.parties.clone();
        Cdr {
            call: self.call.clone(),
            direction: parties.direction,
            wacid: parties.wacid,
            call_id_a: self.call_ids.a.clone(),
            call_id_b: self.call_ids.b.clone(),
            user: parties.user.expose().to_owned(),
            user_id: parties.user_id,
            user_country: parties.user_country,
            number: parties.number.expose().to_owned(),
            trunk: parties.trunk,
            extension: parties.extension,
            peer: self.attempts.last().map(|attempt| attempt.peer.clone()),
            attempts: std::mem::take(&mut self.attempts),
            transfers: std::mem::take(&mut self.transfers),
            started: self.started.wall,
            ringing: self.ringing,
            answered: answered.map(|answered| answered.wall),
            ended: now.wall,
            setup: answered.map(|answered| since(self.started.instant, answered.instant)),
            talk: answered
                .map(|answered| since(answered.instant, now.instant))
                .unwrap_or_default(),
            whatsapp_duration_s: self.whatsapp_duration_s,
            first_audio: None,
            codec_a: self.codecs.a,
            codec_b: self.codecs.b,
            encrypted_a: self.encrypted.a,
            encrypted_b: self.encrypted.b,
            ending,
            told_a: told.a,
            told_b: told.b,
            quality: None,
            charge: None,
            charge_error: None,
        }
    }

    pub fn call(&self) -> &CallRef {
        &self.call
    }

    /// Masked when printed.
    pub fn user(&self) -> &Party {
        &self.parties.user
    }

    pub fn number(&self) -> &PhoneNumber {
        &self.parties.number
    }

    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    pub fn started(&self) -> SystemTime {
        self.started.wall
    }

    pub fn answered_at(&self) -> Option<SystemTime> {
        self.answered.map(|answered| answered.wall)
    }
}
